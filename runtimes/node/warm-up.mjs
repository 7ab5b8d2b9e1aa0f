// What a process that was started ahead of need loads in place of a function, see bootstrap.cjs.

export const handler = async (event) => event;
