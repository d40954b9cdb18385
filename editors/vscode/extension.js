// Starts `caplex lsp` and shows what its commands answer; everything else is the server's.
"use strict";

const { commands, window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;
let told;

async function start() {
  const [command, ...args] = workspace.getConfiguration("caplex").get("command");
  client = new LanguageClient("caplex", "caplex", { command, args }, {
    documentSelector: [{ language: "caplex" }],
    initializationOptions: { facts: option("facts"), settings: option("settings") },
    synchronize: { configurationSection: "caplex", fileEvents: workspace.createFileSystemWatcher("**/*.cap") },
    outputChannel: told,
    middleware: { executeCommand: tell },
  });
  try {
    await client.start();
  } catch (error) {
    window.showErrorMessage(`caplex: the language server does not start (${error.message}). Is it installed? pip install 'caplex[lsp]'`);
  }
}

function option(name) {
  return workspace.getConfiguration("caplex").get(name);
}

// The server answers its commands as text, which is shown in the output.
async function tell(command, args, next) {
  const text = await next(command, args);
  if (typeof text === "string") {
    told.appendLine(text);
    told.show(true);
  }
  return text;
}

async function activate(context) {
  told = window.createOutputChannel("caplex");
  context.subscriptions.push(told, commands.registerCommand("caplex.restart", async () => {
    await deactivate();
    await start();
  }));
  await start();
}

async function deactivate() {
  if (client && client.isRunning()) {
    await client.stop();
  }
}

module.exports = { activate, deactivate };
