export const handler = async (event, context) => {
  console.log(`${context.functionName} has ${context.getRemainingTimeInMillis()} ms left`);
  return { hello: event.name ?? "nobody", from: "node" };
};
