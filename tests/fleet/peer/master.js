"use strict";
// Fleet control of another maker (npm vda-5050-lib's MasterController, VDA 5050 2.0.0), driven by JSON lines on stdin;
// everything it is told, and every message that its compiled schemas refuse, is a JSON line on stdout.
//
//   node master.js BROKER_URL INTERFACE MANUFACTURER SERIAL_NUMBER INSTANT_ACTIONS_KEY
//
//   {"do": "assign", "order": {…}}    an order or an update of one
//   {"do": "act", "actions": [{…}]}   instant actions, sent under INSTANT_ACTIONS_KEY
//   end of input                      leave

const { createInterface } = require("node:readline");
const { format } = require("node:util");
const { MasterController, Topic } = require("vda-5050-lib");

const [brokerUrl, interfaceName, manufacturer, serialNumber, instantActionsKey] = process.argv.slice(2);
const agvId = { manufacturer, serialNumber };

function report(what, facts = {}) {
    process.stdout.write(`${JSON.stringify({ report: what, ...facts })}\n`);
}

// The library knows instant actions as `instantActions`, the text of the standard (2.0: 6.9) as `actions`. It checks
// them under its own name and sends them under the one asked for, so that its own vehicle can be talked to as well.
class Master extends MasterController {
    publishTopic(topic, subject, object, options) {
        if (topic !== Topic.InstantActions) {
            return super.publishTopic(topic, subject, object, options);
        }
        const { instantActions, ...rest } = object;
        return super.publishTopic(topic, subject, { ...rest, [instantActionsKey]: instantActions }, options);
    }

    validateTopicObject(topic, object, vdaVersion) {
        this.lastChecked = object;
        if (topic !== Topic.InstantActions) {
            super.validateTopicObject(topic, object, vdaVersion);
            return;
        }
        const { [instantActionsKey]: instantActions, ...rest } = object;
        super.validateTopicObject(topic, { ...rest, instantActions }, vdaVersion);
    }
}

const master = new Master(
    { interfaceName, vdaVersion: "2.0.0", transport: { brokerUrl, protocolVersion: "5.0" } },
    { targetAgvs: agvId },
);

// The only trace that the library leaves of an inbound message which it drops.
console.error = (...words) => report("dropped", { reason: format(...words), body: master.lastChecked ?? null });

const orderEvents = {
    onOrderProcessed: (error, cancelled, active, { order }) => {
        const { orderId, orderUpdateId } = order;
        report("order processed", { orderId, orderUpdateId, cancelled, active, error: error ?? null });
    },
    onNodeTraversed: ({ nodeId, sequenceId }) => report("node traversed", { nodeId, sequenceId }),
    onEdgeTraversed: ({ edgeId, sequenceId }) => report("edge traversed", { edgeId, sequenceId }),
    onActionStateChanged: ({ actionId, actionStatus }, error) =>
        report("action", { actionId, actionStatus, error: error ?? null }),
};

const instantActionEvents = {
    onActionStateChanged: ({ actionId, actionStatus }, error) =>
        report("instant action", { actionId, actionStatus, error: error ?? null }),
    onActionError: (error, { actionId }) => report("instant action", { actionId, actionStatus: null, error }),
};

const commands = {
    assign: async ({ order }) => {
        const sent = await master.assignOrder(agvId, order, orderEvents);
        report("assigned", { orderId: order.orderId, orderUpdateId: order.orderUpdateId, sent: sent !== undefined });
    },
    act: async ({ actions }) => {
        await master.initiateInstantActions(agvId, { instantActions: actions }, instantActionEvents);
        report("initiated", { actionIds: actions.map(({ actionId }) => actionId) });
    },
};

async function main() {
    await master.start();
    master.trackAgvs((vehicle, connectionState) => report("connection", { ...vehicle, connectionState }));
    for (const topic of [Topic.State, Topic.Factsheet, Topic.Visualization]) {
        await master.subscribe(topic, agvId, (body) => report(topic, { body }));
    }
    report("ready");
    for await (const line of createInterface({ input: process.stdin })) {
        const command = JSON.parse(line);
        try {
            await commands[command.do](command);
        } catch (error) {
            report("refused", { reason: String(error), command });
        }
    }
    await master.stop();
}

main().catch((error) => {
    report("failed", { reason: String(error.stack) });
    process.exitCode = 1;
});
