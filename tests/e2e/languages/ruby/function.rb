def handler(event:, context:)
  case event["do"]
  when "echo" then event
  when "environment" then ENV.to_h
  when "error" then raise "as asked"
  when "exit" then exit!(7)
  when "sleep" then sleep(60)
  when "big" then "x" * event["bytes"]
  when "log"
    puts "first line"
    puts "second line é"
  end
end
