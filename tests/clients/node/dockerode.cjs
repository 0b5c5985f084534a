// dockerode drives the daemon: the client behind most tools for node that speak Docker.
"use strict";
const assert = require("node:assert/strict");
const { PassThrough } = require("node:stream");
const { pipeline } = require("node:stream/promises");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
const Docker = require("dockerode");
const tar = require("tar-stream");

const docker = new Docker({ socketPath: process.env.DOCKER_HOST.replace("unix://", "") });

async function text(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

// Both streams of an attached or executed program, apart.
async function apart(stream) {
  const out = new PassThrough(), err = new PassThrough();
  docker.modem.demuxStream(stream, out, err);
  stream.on("end", () => { out.end(); err.end(); });
  return Promise.all([text(out), text(err)]);
}

async function packed(files) {
  const pack = tar.pack();
  for (const [name, content] of Object.entries(files)) pack.entry({ name }, content);
  pack.finalize();
  return pack;
}

async function eventually(check) {
  for (let i = 0; i < 200; i++) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail("it did not become true in time");
}

test("the system tells of itself", async () => {
  assert.equal((await docker.ping()).toString(), "OK");
  assert.equal((await docker.version()).ApiVersion, "1.51");
  assert.equal((await docker.info()).OSType, "linux");
  assert.ok((await docker.df()).Images.length >= 1);
});

test("run gives output and the exit code", async () => {
  const out = new PassThrough(), err = new PassThrough();
  const said = Promise.all([text(out), text(err)]);
  const [result, container] = await docker.run("busybox", ["sh", "-c", "echo out; echo err >&2; exit 3"], [out, err], { Tty: false });
  out.end(); err.end();
  assert.equal(result.StatusCode, 3);
  assert.deepEqual(await said, ["out\n", "err\n"]);
  await container.remove();
});

test("attach before start reads all and writes with half-close", async () => {
  const container = await docker.createContainer({ Image: "busybox", Cmd: ["cat"], OpenStdin: true, StdinOnce: true, AttachStdin: true });
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  const said = apart(stream);
  await container.start();
  stream.end("through\n");
  assert.deepEqual(await said, ["through\n", ""]);
  assert.equal((await container.wait()).StatusCode, 0);
  await container.remove();
});

test("exec", async () => {
  const container = await docker.createContainer({ Image: "busybox", Cmd: ["sleep", "600"] });
  await container.start();
  const exec = await container.exec({ Cmd: ["sh", "-c", "echo $A; cat; echo err >&2; exit 4"], Env: ["A=b"], AttachStdin: true, AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({ hijack: true, stdin: true });
  const said = apart(stream);
  stream.end("in\n");
  assert.deepEqual(await said, ["b\nin\n", "err\n"]);
  assert.equal((await exec.inspect()).ExitCode, 4);
  const terminal = await container.exec({ Cmd: ["sh", "-c", "sleep 0.3; stty size"], Tty: true, AttachStdout: true });
  const shown = await terminal.start({ hijack: true, Tty: true });
  await terminal.resize({ h: 20, w: 70 });
  assert.match(await text(shown), /20 70/);
  await container.remove({ force: true });
});

test("a container lives and is looked at", async () => {
  const container = await docker.createContainer({ Image: "busybox", name: "looked-at", Cmd: ["sleep", "600"], Labels: { kind: "node" }, HostConfig: { Memory: 64 << 20 } });
  await container.start();
  assert.equal((await container.inspect()).HostConfig.Memory, 64 << 20);
  assert.deepEqual((await docker.listContainers({ filters: { label: ["kind=node"] } })).map((one) => one.Names), [["/looked-at"]]);
  assert.ok((await container.stats({ stream: false })).memory_stats.usage > 0);
  assert.match(JSON.stringify(await container.top()), /sleep 600/);
  await container.pause();
  await container.unpause();
  await container.update({ Memory: 80 << 20, MemorySwap: 160 << 20 });
  await container.rename({ name: "renamed" });
  await container.restart({ t: 0 });
  await container.kill({ signal: "SIGKILL" });
  assert.equal((await container.wait()).StatusCode, 137);
  await container.remove();
  await assert.rejects(container.inspect(), { statusCode: 404 });
});

test("logs", async () => {
  const container = await docker.createContainer({ Image: "busybox", Cmd: ["sh", "-c", "echo one; sleep 0.3; echo two"] });
  await container.start();
  assert.deepEqual(await apart(await container.logs({ follow: true, stdout: true, stderr: true })), ["one\ntwo\n", ""]);
  assert.match((await container.logs({ stdout: true, tail: 1 })).toString(), /two\n$/);
  await container.remove();
});

test("files go in and out", async () => {
  const container = await docker.createContainer({ Image: "busybox", Cmd: ["cat", "/tmp/file"] });
  await container.putArchive(await packed({ file: "content" }), { path: "/tmp" });
  const extract = tar.extract(), found = {};
  extract.on("entry", (header, stream, next) => text(stream).then((content) => { found[header.name] = content; next(); }));
  await pipeline(await container.getArchive({ path: "/tmp/file" }), extract);
  assert.deepEqual(found, { file: "content" });
  await container.remove();
});

test("events", async () => {
  const stream = await docker.getEvents({ filters: { type: ["container"], label: ["kind=told"] } });
  const container = await docker.createContainer({ Image: "busybox", Cmd: ["true"], Labels: { kind: "told" }, HostConfig: { AutoRemove: true } });
  await container.start();
  let said = "";
  for await (const part of stream) {
    said += part;
    if (said.includes('"destroy"')) break;
  }
  const actions = said.trim().split("\n").map((line) => JSON.parse(line).Action);
  assert.deepEqual(actions, ["create", "start", "die", "destroy"]);
});

test("images", async () => {
  const container = await docker.createContainer({ Image: "busybox", Cmd: ["true"] });
  await container.putArchive(await packed({ kept: "kept" }), { path: "/" });
  await container.commit({ repo: "kept", tag: "v1", changes: ['CMD ["cat", "/kept"]'] });
  await container.remove();
  const image = docker.getImage("kept:v1");
  assert.deepEqual((await image.inspect()).RepoTags, ["kept:v1"]);
  assert.ok((await image.history()).length >= 2);
  await image.tag({ repo: "other", tag: "v2" });
  const file = path.join(process.env.SCRATCH, "kept.tar");
  await pipeline(await image.get(), fs.createWriteStream(file));
  await image.remove();
  await docker.getImage("other:v2").remove();
  const loading = await docker.loadImage(file);
  const steps = await new Promise((resolve, reject) => docker.modem.followProgress(loading, (error, all) => (error ? reject(error) : resolve(all))));
  assert.match(JSON.stringify(steps), /kept:v1/);
  await docker.getImage("kept:v1").remove();
});

test("volumes and what cannot be had", async () => {
  const volume = await docker.createVolume({ Name: "things", Labels: { kind: "node" } });
  assert.deepEqual((await volume.inspect()).Labels, { kind: "node" });
  const [result, container] = await docker.run("busybox", ["touch", "/v/file"], new PassThrough(), { HostConfig: { Binds: ["things:/v"] } });
  assert.equal(result.StatusCode, 0);
  await assert.rejects(docker.getVolume("things").remove(), { statusCode: 409 });
  await container.remove();
  await volume.remove();
  await assert.rejects(docker.createContainer({ Image: "not-there" }), { statusCode: 404 });
  await assert.rejects(docker.getContainer("not-there").start(), { statusCode: 404 });
});

test("networks", async () => {
  const network = await docker.createNetwork({ Name: "front", Labels: { kind: "node" }, CheckDuplicate: true });
  const container = await docker.createContainer({
    Image: "busybox", Cmd: ["sleep", "600"], HostConfig: { NetworkMode: "front" },
    NetworkingConfig: { EndpointsConfig: { front: { Aliases: ["www"] } } },
  });
  await container.start();
  assert.deepEqual(Object.keys((await network.inspect()).Containers), [container.id]);
  const second = await docker.createNetwork({ Name: "back", Internal: true });
  await second.connect({ Container: container.id, EndpointConfig: { Aliases: ["store"] } });
  assert.deepEqual(Object.keys((await container.inspect()).NetworkSettings.Networks), ["back", "front"]);
  await assert.rejects(second.connect({ Container: container.id }), { statusCode: 403 });
  await assert.rejects(second.remove(), { statusCode: 403 });
  await second.disconnect({ Container: container.id, Force: true });
  assert.deepEqual((await docker.listNetworks({ filters: { label: ["kind=node"] } })).map((one) => one.Name), ["front"]);
  assert.deepEqual((await docker.pruneNetworks({ filters: { "label!": ["kind=node"] } })).NetworksDeleted, ["back"]);
  await container.remove({ force: true });
  await network.remove();
  await assert.rejects(network.inspect(), { statusCode: 404 });
});

test("many at once", async () => {
  await Promise.all(Array.from({ length: 8 }, async (_, number) => {
    const out = new PassThrough();
    const said = text(out);
    const [result] = await docker.run("busybox", ["echo", `${number}`], out, { HostConfig: { AutoRemove: true } });
    out.end();
    assert.equal(result.StatusCode, 0);
    assert.equal((await said).trim(), `${number}`);
  }));
  await eventually(async () => (await docker.listContainers({ all: true })).length === 0);
});
