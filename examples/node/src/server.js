const http = require("node:http");
const ms = require("ms");

http
  .createServer((request, response) => response.end(`up for ${ms(Math.round(process.uptime() * 1000))}\n`))
  .listen(3000);

process.on("SIGTERM", () => process.exit(0));
