//! Bans a host after too many failed logins within a window of time.
const std = @import("std");
const c = @import("bindings");

const Text = c.failed_logins_string_t;
// The bindings free with `free` what is handed to them.
const memory = std.heap.c_allocator;

const Settings = struct {
    attempts: u32 = 5,
    window: u32 = 600,
    ban: u32 = 3600,
    message: []const u8 = "Too many failed logins. Try again in %t.",
};

const schema =
    \\{
    \\  "type": "object",
    \\  "additionalProperties": false,
    \\  "properties": {
    \\    "attempts": {
    \\      "description": "Failed logins of one host that are one too many.",
    \\      "type": "integer", "minimum": 1, "maximum": 100000, "default": 5
    \\    },
    \\    "window": {
    \\      "description": "Seconds in which they are counted, from the first one.",
    \\      "type": "integer", "minimum": 1, "maximum": 31536000, "default": 600
    \\    },
    \\    "ban": {
    \\      "description": "Length of a ban in seconds.",
    \\      "type": "integer", "minimum": 1, "maximum": 31536000, "default": 3600
    \\    },
    \\    "message": {
    \\      "description": "What a banned client reads; %t is the time left. At most 200 bytes.",
    \\      "type": "string", "default": "Too many failed logins. Try again in %t."
    \\    }
    \\  }
    \\}
;

/// Set by `configure`; the server keeps it for every decision.
var settings: Settings = .{};

export fn exports_portcullis_policy_ban_guest_describe(about: *c.exports_portcullis_policy_ban_guest_description_t) void {
    const events = one(Text, print("login-failed", .{}));
    about.* = .{
        .name = print("failed-logins", .{}),
        .version = print("1.0.0", .{}),
        .summary = print("Bans a host after too many failed logins.", .{}),
        .events = .{ .ptr = events, .len = 1 },
        .settings_schema = print("{s}", .{schema}),
    };
}

export fn exports_portcullis_policy_ban_guest_configure(
    host: *c.exports_portcullis_policy_ban_guest_host_info_t,
    json: *Text,
    errors: *c.exports_portcullis_policy_ban_guest_list_setting_error_t,
) bool {
    defer c.exports_portcullis_policy_ban_guest_host_info_free(host);
    defer c.failed_logins_string_free(json);
    const always: std.json.ParseOptions = .{ .allocate = .alloc_always };
    const given = std.json.parseFromSliceLeaky(Settings, memory, slice(json.*), always) catch |problem| {
        return refuse(errors, "", @errorName(problem));
    };
    // A schema counts characters, the contract bytes.
    if (given.message.len > 200) return refuse(errors, "message", "is longer than 200 bytes");
    settings = given;
    return true;
}

fn refuse(
    errors: *c.exports_portcullis_policy_ban_guest_list_setting_error_t,
    path: []const u8,
    problem: []const u8,
) bool {
    const Error = c.exports_portcullis_policy_ban_guest_setting_error_t;
    const it = one(Error, .{ .path = print("{s}", .{path}), .problem = print("{s}", .{problem}) });
    errors.* = .{ .ptr = it, .len = 1 };
    return false;
}

export fn exports_portcullis_policy_ban_guest_evaluate(
    event: *c.exports_portcullis_policy_ban_guest_event_t,
    verdict: *c.exports_portcullis_policy_ban_guest_verdict_t,
) void {
    defer c.exports_portcullis_policy_ban_guest_event_free(event);
    // No opinion about the event; the bans are carried out all the same.
    verdict.* = .{};
    if (event.kind.tag != c.PORTCULLIS_POLICY_TYPES_EVENT_KIND_LOGIN_FAILED) return;
    // A rule that said no says nothing about the password.
    if (event.kind.val.login_failed.cause == c.PORTCULLIS_POLICY_TYPES_LOGIN_CAUSE_DENIED_BY_RULE) return;
    const host = slice(event.peer.address);
    const failures = count(host) orelse {
        var line = print("a failed login was not counted: the store does not answer", .{});
        defer c.failed_logins_string_free(&line);
        return c.portcullis_policy_log_write(c.PORTCULLIS_POLICY_LOG_LEVEL_WARN, &line);
    };
    if (failures < settings.attempts) return;
    const user = if (event.user.is_some) slice(event.user.val) else "nobody";
    const alone = if (event.store_degraded) ", counted by this node alone" else "";
    const ban = one(c.portcullis_policy_types_ban_t, .{
        .subject = .{ .tag = c.PORTCULLIS_POLICY_TYPES_SUBJECT_HOST, .val = .{ .host = print("{s}", .{host}) } },
        .seconds = .{ .is_some = true, .val = settings.ban },
        .reason = print(
            "{d} failed logins within {d} s, the last as {s}{s}",
            .{ failures, settings.window, user, alone },
        ),
        .message = .{ .is_some = true, .val = print("{s}", .{settings.message}) },
        .reach = c.PORTCULLIS_POLICY_TYPES_REACH_SITE,
    });
    verdict.bans = .{ .ptr = ban, .len = 1 };
}

/// The failures of this host so far; null if the store does not answer.
fn count(host: []const u8) ?u64 {
    var key = print("failures/{s}", .{host});
    defer c.failed_logins_string_free(&key);
    var failures: u64 = 0;
    var problem: c.portcullis_policy_store_error_t = undefined;
    if (!c.portcullis_policy_store_increment(&key, 1, settings.window, &failures, &problem)) {
        c.portcullis_policy_store_error_free(&problem);
        return null;
    }
    // Who comes back after the ban has all attempts again, unless the store fails just now.
    var was_there = false;
    if (failures >= settings.attempts and !c.portcullis_policy_store_delete(&key, &was_there, &problem)) {
        c.portcullis_policy_store_error_free(&problem);
    }
    return failures;
}

fn slice(text: Text) []const u8 {
    return text.ptr[0..text.len];
}

/// In memory of its own. Without memory there is no answer: the server sees a trap.
fn print(comptime format: []const u8, values: anytype) Text {
    const made = std.fmt.allocPrint(memory, format, values) catch @trap();
    return .{ .ptr = made.ptr, .len = made.len };
}

fn one(comptime T: type, value: T) *T {
    const made = memory.create(T) catch @trap();
    made.* = value;
    return made;
}
