// npm's basic-ftp against a server: MODULE VERSION CERTIFICATE HOST PORT USER PASSWORD TREE BACK
const fs = require("node:fs");
const assert = require("node:assert");
const { Readable, Writable } = require("node:stream");

const [module_, version, certificate, host, port, user, password, tree, back] = process.argv.slice(2);
const { Client } = require(module_);

class Kept extends Writable {
  parts = [];
  _write(part, _, done) {
    this.parts.push(part);
    done();
  }
  get bytes() {
    return Buffer.concat(this.parts);
  }
}

async function main() {
  const client = new Client(30_000);
  const tls = version === "1.2" ? "TLSv1.2" : "TLSv1.3";
  const secureOptions = { ca: fs.readFileSync(certificate), minVersion: tls, maxVersion: tls };
  await client.access({ host, port: Number(port), user, password, secure: true, secureOptions });
  assert.ok(client.ftp.hasTLS);
  await client.ensureDir(`node-${version}`);
  await client.uploadFromDir(tree);
  await client.downloadToDir(back);

  for (const size of [0, 1, 3_000_000]) {
    const sent = Buffer.alloc(size, "basic-ftp");
    await client.uploadFrom(Readable.from(size ? [sent] : []), "file");
    const whole = new Kept();
    await client.downloadTo(whole, "file");
    assert.ok(whole.bytes.equals(sent), `${size} bytes come back`);
    assert.equal(await client.size("file"), size);
  }
  await client.appendFrom(Readable.from([Buffer.from("more")]), "file");
  const tail = new Kept();
  await client.downloadTo(tail, "file", 3_000_000);
  assert.equal(tail.bytes.toString(), "more");
  assert.ok(Math.abs((await client.lastMod("file")).getTime() - Date.now()) < 120_000);
  await client.rename("file", "moved");
  assert.ok((await client.list()).some((entry) => entry.name === "moved" && entry.isFile));
  await client.remove("moved");
  await client.cd("/");
  await client.removeDir(`node-${version}`);
  assert.deepEqual((await client.list()).filter((entry) => entry.name.startsWith("node-")), []);
  client.close();
  console.log("basic-ftp is content");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
