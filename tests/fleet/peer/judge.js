"use strict";
// The library's compiled VDA 5050 2.0.0 schemas as a filter: a line {"topic": …, "body": {…}} in, a line with what is
// wrong with the body out, or an empty line. Instant actions may stand under `actions`, as the standard's text has it.

const { createInterface } = require("node:readline");
const { Client, Topic } = require("vda-5050-lib");

const client = new Client({ interfaceName: "uagv", vdaVersion: "2.0.0", transport: { brokerUrl: "mqtt://localhost" } });

function problem({ topic, body }) {
    const { actions, ...rest } = body;
    const read = topic === Topic.InstantActions && actions ? { ...rest, instantActions: actions } : body;
    try {
        client.validateTopicObject(topic, read, "2.0.0");
        return "";
    } catch (error) {
        return error.message;
    }
}

createInterface({ input: process.stdin }).on("line", (line) => console.log(problem(JSON.parse(line))));
