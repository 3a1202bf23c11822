"use strict";
// The library's own simulated vehicle, to prove the tests' fleet control against before it meets ours.
//
//   node vehicle.js BROKER_URL INTERFACE MANUFACTURER SERIAL_NUMBER TIME_LAPSE
//
// It stands at (0, 0) on map "shop", last node "start", drives at 2 m/s times TIME_LAPSE, and leaves at end of input.

const { AgvController, VirtualAgvAdapter } = require("vda-5050-lib");

const [brokerUrl, interfaceName, manufacturer, serialNumber, timeLapse] = process.argv.slice(2);

const vehicle = new AgvController(
    { manufacturer, serialNumber },
    { interfaceName, vdaVersion: "2.0.0", transport: { brokerUrl, protocolVersion: "5.0" } },
    { agvAdapterType: VirtualAgvAdapter, publishVisualizationInterval: 200 },
    {
        initialPosition: { mapId: "shop", x: 0, y: 0, theta: 0, lastNodeId: "start" },
        tickRate: 50,
        timeLapse: Number(timeLapse),
    },
);

vehicle.start();
process.stdin.resume().on("end", () => vehicle.stop());
