// testcontainers for node: databases by their modules, plain containers, files, waiting, and the reaper.
"use strict";
const assert = require("node:assert/strict");
const { test } = require("node:test");
const { GenericContainer, Network, Wait, getContainerRuntimeClient } = require("testcontainers");
const { PostgreSqlContainer } = require("@testcontainers/postgresql");
const { RedisContainer } = require("@testcontainers/redis");

async function text(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts.map((part) => Buffer.from(part))).toString();
}

test("PostgreSQL answers, and a snapshot is restored", async () => {
  const server = await new PostgreSqlContainer("postgres:15").withDatabase("things").withUsername("someone").withPassword("secret").start();
  assert.match(server.getConnectionUri(), /^postgres:\/\/someone:secret@[\w.]+:\d+\/things$/);
  const ask = async (text) => {
    const { exitCode, output } = await server.exec(["psql", "-qAt", "-U", "someone", "-d", "things", "-c", text]);
    assert.equal(exitCode, 0, output);
    return output.trim();
  };
  await ask("CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
  await server.snapshot();
  await ask("DELETE FROM t");
  await server.restoreSnapshot();
  assert.equal(await ask("SELECT count(*) FROM t"), "1");
  await server.stop();
});

test("Redis answers", async () => {
  const server = await new RedisContainer("redis:7").start();
  assert.equal((await server.executeCliCmd("SET", ["key", "value"])).trim(), "OK");
  assert.equal((await server.executeCliCmd("GET", ["key"])).trim(), "value");
  await server.stop();
});

test("nginx serves what was copied into it, when it is ready", async () => {
  const server = await new GenericContainer("nginx:latest")
    .withExposedPorts(80)
    .withCopyContentToContainer([{ content: "served", target: "/var/www/html/index.html" }])
    .withWaitStrategy(Wait.forHttp("/", 80))
    .start();
  const answer = await fetch(`http://${server.getHost()}:${server.getMappedPort(80)}/`);
  assert.equal(await answer.text(), "served");
  await server.restart();
  assert.equal((await fetch(`http://${server.getHost()}:${server.getMappedPort(80)}/`)).status, 200);
  await server.stop();
});

test("a plain container with options", async () => {
  const container = await new GenericContainer("busybox")
    .withCommand(["sh", "-c", "echo ready; sleep 600"])
    .withEnvironment({ A: "b" })
    .withTmpFs({ "/scratch": "size=1m" })
    .withResourcesQuota({ memory: 0.0625, cpu: 0.5 })
    .withUser("1000:1000")
    .withWorkingDir("/tmp")
    .withLabels({ kind: "node" })
    .withHealthCheck({ test: ["CMD-SHELL", "true"], interval: 100, timeout: 1000, retries: 3, startPeriod: 0 })
    .withWaitStrategy(Wait.forAll([Wait.forLogMessage("ready"), Wait.forHealthCheck()]))
    .start();
  assert.equal((await container.exec(["sh", "-c", "echo $A $(pwd) $(id -u)"])).output.trim(), "b /tmp 1000");
  assert.equal((await container.exec(["sh", "-c", "exit 3"])).exitCode, 3);
  assert.match(await text(await container.copyArchiveFromContainer("/www/index.html")), /carrack serves/);
  assert.equal(container.getLabels().kind, "node");
  const committed = await container.commit({ repo: "committed", tag: "v1", deleteOnExit: true });
  assert.match(committed, /[0-9a-f]{12}/);
  await container.stop();
});

test("a container that does not get ready is removed with its log told", async () => {
  const never = new GenericContainer("busybox").withCommand(["sh", "-c", "echo failing; exit 1"]).withWaitStrategy(Wait.forOneShotStartup());
  await assert.rejects(never.start(), /failed to start/);
  const client = await getContainerRuntimeClient();
  const left = (await client.container.list()).filter((one) => !one.Image.includes("ryuk"));
  assert.deepEqual(left, []);
});

test("containers on a network find each other by alias", async () => {
  const network = await new Network().start();
  const server = await new GenericContainer("busybox")
    .withCommand(["httpd", "-f", "-h", "/www"])
    .withNetwork(network)
    .withNetworkAliases("web", "site")
    .start();
  const client = await new GenericContainer("busybox").withCommand(["sleep", "600"]).withNetwork(network).start();
  for (const name of ["web", "site"]) {
    const { exitCode, output } = await client.exec(["wget", "-qO-", `http://${name}/index.html`]);
    assert.equal(exitCode, 0, output);
    assert.match(output, /carrack serves/);
  }
  assert.match(server.getIpAddress(network.getName()), /^\d+(\.\d+){3}$/);
  assert.ok(server.getNetworkNames().includes(network.getName()));
  await client.stop();
  await server.stop();
  await network.stop();
});
