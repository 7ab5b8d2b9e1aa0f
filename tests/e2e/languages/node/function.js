exports.handler = async (event) => {
  switch (event.do) {
    case "echo":
      return event;
    case "environment":
      return { ...process.env };
    case "error":
      throw new Error("as asked");
    case "exit":
      process.exit(7);
    case "sleep":
      await new Promise((resolve) => setTimeout(resolve, 60_000));
      break;
    case "big":
      return "x".repeat(event.bytes);
    case "log":
      console.log("first line");
      console.log("second line é");
  }
};
