// Bans a host after too many failed logins within a window of time.
import store from "portcullis:policy/store@0.1.0";
import log from "portcullis:policy/log@0.1.0";

const schema = {
  type: "object",
  additionalProperties: false,
  properties: {
    attempts: {
      description: "Failed logins of one host that are one too many.",
      type: "integer", minimum: 1, maximum: 100000, default: 5,
    },
    window: {
      description: "Seconds in which they are counted, from the first one.",
      type: "integer", minimum: 1, maximum: 31536000, default: 600,
    },
    ban: {
      description: "Length of a ban in seconds.",
      type: "integer", minimum: 1, maximum: 31536000, default: 3600,
    },
    message: {
      description: "What a banned client reads; %t is the time left. At most 200 bytes.",
      type: "string", default: "Too many failed logins. Try again in %t.",
    },
  },
};

// Set by `configure`; the server keeps it for every decision.
let settings;

export const banGuest = {
  describe() {
    return {
      name: "failed-logins",
      version: "1.0.0",
      summary: "Bans a host after too many failed logins.",
      events: ["login-failed"],
      facts: [],
      settingsSchema: JSON.stringify(schema),
    };
  },

  configure(_host, json) {
    const defaults = Object.entries(schema.properties).map(([name, property]) => [name, property.default]);
    const given = { ...Object.fromEntries(defaults), ...JSON.parse(json) };
    // A schema counts characters, the contract bytes.
    if (bytes(given.message) > 200) {
      throw [{ path: "message", problem: "is longer than 200 bytes", line: null, column: null }];
    }
    settings = given;
  },

  evaluate(event) {
    // A rule that said no says nothing about the password.
    if (event.kind.tag !== "login-failed" || event.kind.val.cause === "denied-by-rule") return pass();
    const host = event.peer.address;
    let failures;
    try {
      failures = store.increment(`failures/${host}`, 1, settings.window);
    } catch {
      log.write("warn", "a failed login was not counted: the store does not answer");
      return pass();
    }
    if (failures < settings.attempts) return pass();
    try {
      // Who comes back after the ban has all attempts again, unless the store fails just now.
      store.delete(`failures/${host}`);
    } catch {}
    const alone = event.storeDegraded ? ", counted by this node alone" : "";
    return pass({
      subject: { tag: "host", val: host },
      seconds: settings.ban,
      reason: `${failures} failed logins within ${settings.window} s, the last as ${event.user ?? "nobody"}${alone}`,
      message: settings.message,
      reach: "site",
    });
  },
};

// No opinion about the event; the bans are carried out all the same.
function pass(...bans) {
  return { decision: { tag: "pass" }, delayMilliseconds: 0, bans, lifts: [], alerts: [], more: [] };
}

// Length in UTF-8.
function bytes(text) {
  return encodeURIComponent(text).replace(/%../g, "x").length;
}
