// Finds the function's handler as the managed runtimes do, in whatever kind of module it is.

"use strict";

const fs = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");

const { fault } = require("./log.cjs");

/** Marks a streaming handler; its value is the kind of streaming. */
const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");

const ImportModuleError = fault("ImportModuleError");
const HandlerNotFound = fault("HandlerNotFound");
const MalformedHandlerName = fault("MalformedHandlerName");
const MalformedStreamingHandler = fault("MalformedStreamingHandler");
const UserCodeSyntaxError = fault("UserCodeSyntaxError");

// The name AWS's runtime has: it is part of the texts of import errors.
const requireModule = createRequire("/var/runtime/index.mjs");

function isModulePackage(folder) {
  if (folder.endsWith("/node_modules")) {
    return false;
  }
  const file = path.join(folder, "package.json");
  if (fs.existsSync(file)) {
    try {
      return JSON.parse(fs.readFileSync(file, "utf8"))?.type === "module";
    } catch (error) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
      return false;
    }
  }
  return folder !== "/" && isModulePackage(path.dirname(folder));
}

async function loadModule(root, folder, name) {
  const base = path.resolve(root, folder, name);
  const isFile = (file) => fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
  if (isFile(base)) {
    return requireModule(base);
  }
  if (isFile(`${base}.js`)) {
    return isModulePackage(path.dirname(base)) ? import(`${base}.js`) : requireModule(`${base}.js`);
  }
  if (isFile(`${base}.mjs`)) {
    return import(`${base}.mjs`);
  }
  if (isFile(`${base}.cjs`)) {
    return requireModule(`${base}.cjs`);
  }
  return requireModule(requireModule.resolve(name, { paths: [root, folder] }));
}

/** The function that `text`, the handler setting, names below `root`. */
async function loadHandler(root, text) {
  if (text.includes("..")) {
    throw new MalformedHandlerName(
      `'${text}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const last = path.basename(text);
  const folder = text.slice(0, text.indexOf(last));
  const [, name, property] = last.match(/^([^.]*)\.(.*)$/) ?? [];
  if (property === undefined) {
    throw new MalformedHandlerName("Bad handler");
  }
  let module;
  try {
    module = await loadModule(root, folder, name);
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new UserCodeSyntaxError(error);
    }
    throw error?.code === "MODULE_NOT_FOUND" ? new ImportModuleError(error) : error;
  }
  const found = property.split(".").reduce((object, key) => object?.[key], module);
  if (!found) {
    throw new HandlerNotFound(`${text} is undefined or not exported`);
  }
  if (typeof found !== "function") {
    throw new HandlerNotFound(`${text} is not a function`);
  }
  if (found[STREAMING] && found[STREAMING] !== "response") {
    throw new MalformedStreamingHandler("Only response streaming is supported.");
  }
  return found;
}

module.exports = { STREAMING, loadHandler };
