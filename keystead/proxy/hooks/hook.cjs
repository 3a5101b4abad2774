// Sends TLS connections to the vendor's kms, sts, ram and location hosts through the proxy of `keystead run`, and refuses
// every other connection to them: it would take secrets to the vendor, or over the network in the clear.
"use strict";

const net = require("node:net");
const tls = require("node:tls");
const { Duplex } = require("node:stream");

const OURS = /^(kms|sts|ram|location)(-[a-z0-9]+)*(\.[a-z0-9-]+)?\.aliyuncs\.com\.?$/i;
// KEYSTEAD_PROXY is what a shell has that called `keystead env` of an earlier version; else it is a server's setting.
const named = process.env.KEYSTEAD_RUN_PROXY || process.env.KEYSTEAD_PROXY || "";
const proxy = named.startsWith("http://") ? new URL(named) : null;

// A connection through the proxy that can be handed out before it stands.
class Tunnel extends Duplex {
  constructor(host, port) {
    super();
    this.pending = null;
    this.socket = net.connect(Number(proxy.port), proxy.hostname);
    const token = Buffer.from(`${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`);
    this.socket.write(
      `CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n` +
        `Proxy-Authorization: Basic ${token.toString("base64")}\r\n\r\n`,
    );
    let head = Buffer.alloc(0);
    const onData = (chunk) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.socket.off("data", onData);
      const status = head.toString("latin1").split(" ")[1];
      if (status !== "200") {
        this.destroy(new Error(`the proxy of keystead run refused the connection (${status})`));
        return;
      }
      this.ready = true;
      const rest = head.subarray(end + 4);
      if (rest.length) this.push(rest);
      this.socket.on("data", (data) => {
        if (!this.push(data)) this.socket.pause();
      });
      if (this.pending) {
        const { chunk: first, encoding, callback } = this.pending;
        this.pending = null;
        this.socket.write(first, encoding, callback);
      }
    };
    this.socket.on("data", onData);
    this.socket.on("end", () => this.push(null));
    this.socket.on("error", (error) => this.destroy(error));
    this.socket.on("close", () => this.destroy());
  }

  _read() {
    this.socket.resume();
  }

  _write(chunk, encoding, callback) {
    if (this.ready) this.socket.write(chunk, encoding, callback);
    else this.pending = { chunk, encoding, callback };
  }

  _final(callback) {
    this.socket.end(callback);
  }

  _destroy(error, callback) {
    this.socket.destroy();
    callback(error);
  }

  // What callers of a net.Socket expect.
  setNoDelay() { return this; }
  setKeepAlive() { return this; }
  setTimeout() { return this; }
  ref() { this.socket.ref(); return this; }
  unref() { this.socket.unref(); return this; }
}

if (proxy) {
  const open = net.Socket.prototype.connect;
  net.Socket.prototype.connect = function (...args) {
    const first = Array.isArray(args[0]) ? args[0][0] : args[0];
    const host = typeof first === "object" && first !== null ? first.host : args[1];
    if (typeof host !== "string" || !OURS.test(host)) return open.apply(this, args);
    this.connecting = true;
    process.nextTick(() => this.destroy(new Error(`keystead run answers for ${host} by HTTPS only`)));
    return this;
  };
  const connect = tls.connect;
  tls.connect = function (...args) {
    const options = typeof args[0] === "object" && args[0] !== null ? args[0] : {};
    let host = options.host || options.servername;
    let port = options.port || 443;
    if (typeof args[0] === "number") {
      port = args[0];
      host = typeof args[1] === "string" ? args[1] : (args[1] || {}).host;
    }
    if (!host || options.socket || !OURS.test(host)) return connect.apply(this, args);
    const callback = args.find((one) => typeof one === "function");
    const more = args.find((one) => typeof one === "object" && one !== null) || {};
    const socket = new Tunnel(host, port);
    const secure = connect.call(
      this,
      { servername: host, ...more, host: undefined, port: undefined, path: undefined, socket },
      callback,
    );
    // Agents unref idle connections so that the program can end; over a stream that reaches no further than TLS.
    for (const name of ["ref", "unref"]) {
      secure[name] = function () {
        socket[name]();
        return this;
      };
    }
    return secure;
  };
}
