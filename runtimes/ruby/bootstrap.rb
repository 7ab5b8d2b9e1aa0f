# frozen_string_literal: true

# Hearth's Ruby runtime: asks the Lambda Runtime API for events and hands them to the function's handler.
#
# Behaves towards the function as AWS's managed Ruby runtimes do. Start it with --disable=gems: RubyGems takes twice as
# long to load as everything else together, so it is loaded when the function first needs it. For Ruby 2.7 and later.

require "json"
require "logger"
require "socket"
require "stringio"

module Hearth
  RUNTIME = "/2018-06-01/runtime/"
  NEXT = "GET #{RUNTIME}invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"
  JSON_TYPE = "application/json"

  # How a process ends after a failure that its state may not survive, and after one while it loads the function. As
  # AWS's client does.
  EXIT_CRITICAL = -1
  EXIT_INIT = -4

  # RubyGems, when it is needed: for a library that is not Ruby's own, or by its name.
  module LazyGems
    def self.set_up
      return if Object.const_defined?(:Gem, false)

      Object.autoload(:Gem, "rubygems")
      Kernel.module_eval do
        alias_method :hearth_plain_require, :require

        def require(path)
          hearth_plain_require(path)
        rescue LoadError => e
          raise unless e.path == path && LazyGems.load

          retry_require(path)
        end

        def gem(*arguments)
          LazyGems.load
          gem(*arguments)
        end

        private

        def retry_require(path)
          require(path)
        end

        private :require, :gem, :hearth_plain_require, :retry_require
      end
    end

    # Whether it has been loaded just now.
    def self.load
      return false if @loaded

      @loaded = true
      # It wraps `require` itself.
      Kernel.module_eval do
        alias_method :require, :hearth_plain_require
        private :require
      end
      hearth_plain_require("rubygems")
      true
    end
  end

  # Log records -------------------------------------------------------------------------------------------------------

  # The descriptor for log records, each a frame of its own; without it they go to stdout, where a line is one.
  module Records
    TEXT_FRAME = 0xa55a0003
    JSON_FRAME = 0xa55a0002
    # By the names of Logger.
    LEVELS = { "DEBUG" => 0x08, "INFO" => 0x0c, "WARN" => 0x10, "ERROR" => 0x14, "FATAL" => 0x18 }.freeze

    @lock = Mutex.new

    class << self
      # Takes the descriptor, of which neither the function nor its child processes shall know.
      def set_up
        number = ENV.delete("_LAMBDA_TELEMETRY_LOG_FD") or return
        @file = IO.for_fd(Integer(number), "wb", autoclose: false)
        @file.sync = true
        @file.close_on_exec = true
      end

      def write(text, level = nil, as_json: false)
        data = utf8(text)
        if @file.nil?
          $stdout.write(data.end_with?("\n") ? data : "#{data}\n")
          return
        end
        kind = (as_json ? JSON_FRAME : TEXT_FRAME) + LEVELS.fetch(level, 0)
        now = Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
        frame = [kind, data.bytesize, now].pack("NNQ>") << data.b
        @lock.synchronize { @file.write(frame) }
      end

      def utf8(text)
        text = text.to_s
        text = text.dup.force_encoding(Encoding::UTF_8) if text.encoding == Encoding::BINARY
        text.encode(Encoding::UTF_8, invalid: :replace, undef: :replace).scrub
      end
    end
  end

  class TextFormatter < Logger::Formatter
    def call(severity, time, progname, message)
      format("%s, [%s #%d] %5s %s -- %s: %s\n", severity[0], format_datetime(time), Process.pid, severity,
             Hearth.request_id, progname, msg2str(message))
    end
  end

  class JsonFormatter < Logger::Formatter
    def call(severity, time, progname, message)
      is_error = message.is_a?(Exception)
      fields = {
        timestamp: time.getutc.strftime("%Y-%m-%dT%H:%M:%S.%6NZ"),
        level: severity,
        message: is_error ? message.message : msg2str(message),
        requestId: Hearth.request_id,
        logger: progname,
      }
      if is_error
        fields.update(errorType: message.class.to_s, errorMessage: message.message, stackTrace: message.backtrace || [])
      end
      "#{JSON.generate(fields.compact.transform_values { |value| value.is_a?(String) ? Records.utf8(value) : value })}\n"
    end
  end

  # Where a function's loggers write that would write to stdout or stderr.
  class LogDevice
    attr_accessor :level

    def write(text)
      Records.write(text, level, as_json: Hearth.logs_json?)
    end

    def close; end
  end

  # What Logger does differently here: stdout and stderr are the log, and a level for all may be set.
  module LambdaLogger
    def initialize(device = nil, *arguments, **options)
      if device.nil? || device.equal?($stdout) || device.equal?($stderr)
        device = @device = LogDevice.new
        options[:level] ||= Hearth.log_level || Logger::DEBUG
      end
      super
      @default_formatter = Hearth.logs_json? ? JsonFormatter.new : TextFormatter.new if @device
    end

    private

    def format_message(severity, *)
      @device.level = severity if @device
      super
    end
  end

  class << self
    # The id of the invocation being worked on, for log lines.
    attr_accessor :request_id

    def logs_json?
      ENV["AWS_LAMBDA_LOG_FORMAT"]&.upcase == "JSON"
    end

    def log_level
      level = ENV["AWS_LAMBDA_LOG_LEVEL"]&.upcase
      level = "DEBUG" if level == "TRACE"
      Logger.const_get(level) if Records::LEVELS.key?(level)
    end

    def set_up_logging
      $stdout.sync = true
      Records.set_up
      Logger.prepend(LambdaLogger)
      # One call, one log record, however many lines it has.
      Kernel.module_eval do
        def puts(*values)
          Records.write(values.flatten.map { |value| Records.utf8(value) }.join("\n"))
        end
        private :puts
      end
    end
  end

  # Errors ------------------------------------------------------------------------------------------------------------

  # What the caller sees of an exception.
  class Report
    # Deeper traces are cut.
    FRAMES_MAX = 100
    # Types that are told apart in metrics; all others are the user's business. As AWS's client does.
    TOLD = %w[ArgumentError NoMethodError Exception StandardError NameError LoadError SystemExit SystemStackError].freeze

    def initialize(error, phase)
      @error = error
      @type = "#{phase}<#{error.class}>"
    end

    def header
      "Lambda-Runtime-Function-Error-Type: #{TOLD.include?(@error.class.to_s) ? @type : "Function<UserException>"}\r\n"
    end

    def fields
      { errorMessage: Records.utf8(@error.message), errorType: @type, stackTrace: trace }
    end

    def log(title)
      Records.write(title, "ERROR")
      Records.write(JSON.pretty_generate(fields), "ERROR")
    end

    private

    # Down to the frames of this file, which are not the function's business.
    def trace
      frames = (@error.backtrace || []).take_while { |frame| !frame.start_with?(__FILE__) || frame.include?("require") }
      frames.reject { |frame| frame.start_with?(__FILE__) || frame.start_with?("<internal:") }.first(FRAMES_MAX)
    end
  end

  # The function ------------------------------------------------------------------------------------------------------

  # What a handler is given besides the event.
  class Context
    attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name,
                :memory_limit_in_mb, :function_version, :identity, :client_context, :deadline_ms, :tenant_id

    def initialize(headers)
      @deadline_ms = headers["lambda-runtime-deadline-ms"].to_i
      @aws_request_id = headers["lambda-runtime-aws-request-id"]
      @invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
      @tenant_id = headers["lambda-runtime-aws-tenant-id"]
      @log_group_name = ENV["AWS_LAMBDA_LOG_GROUP_NAME"]
      @log_stream_name = ENV["AWS_LAMBDA_LOG_STREAM_NAME"]
      @function_name = ENV["AWS_LAMBDA_FUNCTION_NAME"]
      @memory_limit_in_mb = ENV["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
      @function_version = ENV["AWS_LAMBDA_FUNCTION_VERSION"]
      @identity = headers["lambda-runtime-cognito-identity"]&.then { |text| JSON.parse(text) }
      @client_context = headers["lambda-runtime-client-context"]&.then { |text| JSON.parse(text) }
    end

    def get_remaining_time_in_millis
      [0, @deadline_ms - Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond)].max
    end
  end

  # FILE.METHOD or FILE.CLASS.METHOD.
  class Handler
    def initialize(name)
      file, *owner, @method = name.split(".")
      unless file && @method && owner.size < 2
        raise ArgumentError, "Invalid handler '#{name}': it must have the form FILENAME.METHOD or FILENAME.CLASS.METHOD"
      end
      @owner = owner.first
      Object.send(:require, file)
    end

    def call(event, context)
      receiver = @owner ? Object.const_get(@owner) : TOPLEVEL_BINDING.receiver
      receiver.send(@method, event: event, context: context)
    end
  end

  # The Runtime API ---------------------------------------------------------------------------------------------------

  class RuntimeApi
    def initialize(address)
      host, _, port = address.rpartition(":")
      @socket = TCPSocket.new(host, Integer(port))
      @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      @socket.binmode
      @socket.sync = true
    end

    # Asks for an event.
    def ask
      @socket.write(NEXT)
    end

    # One packet there, one back: the platform sends the reply to the POST together with the next event. A refused answer
    # (too large, too late) is the platform's to report; this process goes on.
    def answer(path, headers, body, ask: true)
      head = "POST #{RUNTIME}#{path} HTTP/1.1\r\nHost: runtime\r\n#{headers}Content-Length: #{body.bytesize}\r\n\r\n"
      @socket.write(head.b << body.b << (ask ? NEXT : ""))
      reply
    end

    # Waits, started ahead of need, until this process is given a function.
    def assignment
      @socket.write("GET /2018-06-01/hearth/assignment HTTP/1.1\r\nHost: runtime\r\n\r\n")
      status, _, body = reply
      raise "the Runtime API gave no assignment: #{status} #{body}" unless status == 200

      JSON.parse(body)
    end

    # Reads one reply: status, headers by lower-case name, body.
    def reply
      head = @socket.gets("\r\n\r\n") or raise EOFError, "the Runtime API closed the connection"
      start, *lines = head.force_encoding(Encoding::UTF_8).split("\r\n")
      headers = lines.to_h do |line|
        name, _, value = line.partition(": ")
        [name.downcase, value]
      end
      [start[9, 3].to_i, headers, @socket.read(headers["content-length"].to_i).force_encoding(Encoding::UTF_8)]
    end
  end

  # One process -------------------------------------------------------------------------------------------------------

  class << self
    def main
      LazyGems.set_up
      api = RuntimeApi.new(ENV["AWS_LAMBDA_RUNTIME_API"])
      take_assignment(api) if ENV.key?("_HEARTH_PREPARED")
      set_up_logging
      set_up_path
      serve(api, load_handler(api))
    end

    private

    def take_assignment(api)
      LazyGems.load
      warm_up
      ENV.replace(api.assignment.fetch("environment"))
      # The code was mounted over the directory this process started in.
      Dir.chdir(ENV.fetch("LAMBDA_TASK_ROOT", "."))
      Gem.clear_paths
    end

    # Does once what every function needs, so that the code for it is in memory when there is one. Nothing of it stays.
    def warm_up
      Context.new({ "lambda-runtime-deadline-ms" => "0" })
      JSON.generate(JSON.parse('{"a":["b",1.5,null]}'))
      RubyVM::InstructionSequence.compile("def handler(event:, context:) = { a: [event, context] }").to_a if defined?(RubyVM)
    end

    def set_up_path
      paths = [ENV.fetch("LAMBDA_TASK_ROOT", "/var/task"), *ENV["RUBYLIB"].to_s.split(":")]
      $LOAD_PATH.replace(paths.reject(&:empty?) | $LOAD_PATH)
    end

    def load_handler(api)
      Handler.new(ENV.fetch("_HANDLER", ""))
    rescue Exception => e # rubocop:disable Lint/RescueException -- A function may fail in any way while it loads.
      report = Report.new(e, "Init")
      report.log("Init error when loading handler #{ENV["_HANDLER"]}")
      api.answer("init/error", "Content-Type: #{JSON_TYPE}\r\n#{report.header}", JSON.generate(report.fields), ask: false)
      exit!(EXIT_INIT)
    end

    # Answers events for ever.
    def serve(api, handler)
      api.ask
      loop do
        status, headers, body = api.reply
        raise "the Runtime API refused to give an event: #{status} #{body}" unless status == 200

        self.request_id = headers["lambda-runtime-aws-request-id"]
        ENV["_X_AMZN_TRACE_ID"] = headers["lambda-runtime-trace-id"]
        path, answer_headers, answer, goes_on = run(handler, headers, body)
        api.answer("invocation/#{request_id}/#{path}", answer_headers, answer, ask: goes_on)
        exit!(EXIT_CRITICAL) unless goes_on
      end
    end

    # One invocation: gives the answer's last part of the path, headers and body, and whether there may be another.
    def run(handler, headers, body)
      event = headers["content-type"] == JSON_TYPE ? JSON.parse(body) : body
      result = handler.call(event, Context.new(headers))
      is_stream = result.is_a?(StringIO) || result.is_a?(IO)
      type, text = is_stream ? ["application/unknown", result.read] : [JSON_TYPE, result.to_json]
      ["response", "Content-Type: #{type}\r\n", text, true]
    rescue Exception => e # rubocop:disable Lint/RescueException -- Whatever it is, the caller is told.
      # An error in the program itself, rather than in what it works on, ends the process.
      goes_on = e.is_a?(StandardError) && !e.is_a?(NameError)
      report = Report.new(e, "Function")
      report.log(goes_on ? "Error raised from handler method" : "Critical exception from handler")
      ["error", "Content-Type: #{JSON_TYPE}\r\n#{report.header}", JSON.generate(report.fields), goes_on]
    end
  end
end

Hearth.main
