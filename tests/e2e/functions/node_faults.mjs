// Fails in the way it is asked to.
export const handler = async (event) => {
  switch (event.fault) {
    case 'throw': throw new RangeError('as asked');
    case 'exit': process.exit(event.code);
    case 'forever': for (;;);
    default: return { ok: true, pid: process.pid };
  }
};
