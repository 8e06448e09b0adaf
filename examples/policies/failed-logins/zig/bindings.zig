const __root = @This();
pub const __builtin = @import("std").zig.c_translation.builtins;
pub const __helpers = @import("std").zig.c_translation.helpers;
pub const intmax_t = c_longlong;
pub const uintmax_t = c_ulonglong;
pub const time_t = c_longlong;
pub const suseconds_t = c_longlong;
pub const struct_timeval = extern struct {
    tv_sec: time_t = 0,
    tv_usec: suseconds_t = 0,
};
pub const struct_timespec = extern struct {
    tv_sec: time_t = 0,
    tv_nsec: c_long = 0,
};
pub const ptrdiff_t = c_long;
pub const wchar_t = c_int;
pub const max_align_t = extern struct {
    __aro_max_align_ll: c_longlong = 0,
    __aro_max_align_ld: c_longdouble = 0,
};
pub const struct_iovec = extern struct {
    iov_base: ?*anyopaque = null,
    iov_len: usize = 0,
};
pub const int_fast8_t = i8;
pub const int_fast64_t = i64;
pub const int_least8_t = i8;
pub const int_least16_t = i16;
pub const int_least32_t = i32;
pub const int_least64_t = i64;
pub const uint_fast8_t = u8;
pub const uint_fast64_t = u64;
pub const uint_least8_t = u8;
pub const uint_least16_t = u16;
pub const uint_least32_t = u32;
pub const uint_least64_t = u64;
pub const int_fast16_t = i16;
pub const int_fast32_t = i32;
pub const uint_fast16_t = u16;
pub const uint_fast32_t = u32;
pub const struct_failed_logins_string_t = extern struct {
    ptr: [*c]u8 = null,
    len: usize = 0,
    pub const portcullis_policy_store_get = __root.portcullis_policy_store_get;
    pub const portcullis_policy_store_set = __root.portcullis_policy_store_set;
    pub const portcullis_policy_store_add = __root.portcullis_policy_store_add;
    pub const portcullis_policy_store_delete = __root.portcullis_policy_store_delete;
    pub const portcullis_policy_store_increment = __root.portcullis_policy_store_increment;
    pub const portcullis_policy_store_count_distinct = __root.portcullis_policy_store_count_distinct;
    pub const portcullis_policy_store_get_versioned = __root.portcullis_policy_store_get_versioned;
    pub const portcullis_policy_store_compare_and_swap = __root.portcullis_policy_store_compare_and_swap;
    pub const failed_logins_string_set = __root.failed_logins_string_set;
    pub const failed_logins_string_dup = __root.failed_logins_string_dup;
    pub const failed_logins_string_dup_n = __root.failed_logins_string_dup_n;
    pub const failed_logins_string_free = __root.failed_logins_string_free;
    pub const get = __root.portcullis_policy_store_get;
    pub const set = __root.portcullis_policy_store_set;
    pub const add = __root.portcullis_policy_store_add;
    pub const delete = __root.portcullis_policy_store_delete;
    pub const increment = __root.portcullis_policy_store_increment;
    pub const distinct = __root.portcullis_policy_store_count_distinct;
    pub const versioned = __root.portcullis_policy_store_get_versioned;
    pub const swap = __root.portcullis_policy_store_compare_and_swap;
    pub const dup = __root.failed_logins_string_dup;
    pub const n = __root.failed_logins_string_dup_n;
    pub const free = __root.failed_logins_string_free;
};
pub const failed_logins_string_t = struct_failed_logins_string_t;
const union_unnamed_1 = extern union {
    other: failed_logins_string_t,
};
pub const struct_portcullis_policy_store_error_t = extern struct {
    tag: u8 = 0,
    val: union_unnamed_1 = @import("std").mem.zeroes(union_unnamed_1),
    pub const portcullis_policy_store_error_free = __root.portcullis_policy_store_error_free;
    pub const free = __root.portcullis_policy_store_error_free;
};
pub const portcullis_policy_store_error_t = struct_portcullis_policy_store_error_t;
pub const failed_logins_list_u8_t = extern struct {
    ptr: [*c]u8 = null,
    len: usize = 0,
    pub const failed_logins_list_u8_free = __root.failed_logins_list_u8_free;
    pub const free = __root.failed_logins_list_u8_free;
};
pub const struct_portcullis_policy_store_versioned_t = extern struct {
    value: failed_logins_list_u8_t = @import("std").mem.zeroes(failed_logins_list_u8_t),
    version: u64 = 0,
    pub const portcullis_policy_store_versioned_free = __root.portcullis_policy_store_versioned_free;
    pub const free = __root.portcullis_policy_store_versioned_free;
};
pub const portcullis_policy_store_versioned_t = struct_portcullis_policy_store_versioned_t;
pub const failed_logins_option_list_u8_t = extern struct {
    is_some: bool = false,
    val: failed_logins_list_u8_t = @import("std").mem.zeroes(failed_logins_list_u8_t),
    pub const failed_logins_option_list_u8_free = __root.failed_logins_option_list_u8_free;
    pub const free = __root.failed_logins_option_list_u8_free;
};
const union_unnamed_2 = extern union {
    ok: failed_logins_option_list_u8_t,
    err: portcullis_policy_store_error_t,
};
pub const portcullis_policy_store_result_option_list_u8_error_t = extern struct {
    is_err: bool = false,
    val: union_unnamed_2 = @import("std").mem.zeroes(union_unnamed_2),
    pub const portcullis_policy_store_result_option_list_u8_error_free = __root.portcullis_policy_store_result_option_list_u8_error_free;
    pub const free = __root.portcullis_policy_store_result_option_list_u8_error_free;
};
pub const failed_logins_list_string_t = extern struct {
    ptr: [*c]failed_logins_string_t = null,
    len: usize = 0,
    pub const portcullis_policy_store_get_many = __root.portcullis_policy_store_get_many;
    pub const failed_logins_list_string_free = __root.failed_logins_list_string_free;
    pub const many = __root.portcullis_policy_store_get_many;
    pub const free = __root.failed_logins_list_string_free;
};
pub const failed_logins_list_option_list_u8_t = extern struct {
    ptr: [*c]failed_logins_option_list_u8_t = null,
    len: usize = 0,
    pub const failed_logins_list_option_list_u8_free = __root.failed_logins_list_option_list_u8_free;
    pub const free = __root.failed_logins_list_option_list_u8_free;
};
const union_unnamed_3 = extern union {
    ok: failed_logins_list_option_list_u8_t,
    err: portcullis_policy_store_error_t,
};
pub const portcullis_policy_store_result_list_option_list_u8_error_t = extern struct {
    is_err: bool = false,
    val: union_unnamed_3 = @import("std").mem.zeroes(union_unnamed_3),
    pub const portcullis_policy_store_result_list_option_list_u8_error_free = __root.portcullis_policy_store_result_list_option_list_u8_error_free;
    pub const free = __root.portcullis_policy_store_result_list_option_list_u8_error_free;
};
const union_unnamed_4 = extern union {
    err: portcullis_policy_store_error_t,
};
pub const portcullis_policy_store_result_void_error_t = extern struct {
    is_err: bool = false,
    val: union_unnamed_4 = @import("std").mem.zeroes(union_unnamed_4),
    pub const portcullis_policy_store_result_void_error_free = __root.portcullis_policy_store_result_void_error_free;
    pub const free = __root.portcullis_policy_store_result_void_error_free;
};
const union_unnamed_5 = extern union {
    ok: bool,
    err: portcullis_policy_store_error_t,
};
pub const portcullis_policy_store_result_bool_error_t = extern struct {
    is_err: bool = false,
    val: union_unnamed_5 = @import("std").mem.zeroes(union_unnamed_5),
    pub const portcullis_policy_store_result_bool_error_free = __root.portcullis_policy_store_result_bool_error_free;
    pub const free = __root.portcullis_policy_store_result_bool_error_free;
};
const union_unnamed_6 = extern union {
    ok: u64,
    err: portcullis_policy_store_error_t,
};
pub const portcullis_policy_store_result_u64_error_t = extern struct {
    is_err: bool = false,
    val: union_unnamed_6 = @import("std").mem.zeroes(union_unnamed_6),
    pub const portcullis_policy_store_result_u64_error_free = __root.portcullis_policy_store_result_u64_error_free;
    pub const free = __root.portcullis_policy_store_result_u64_error_free;
};
pub const portcullis_policy_store_option_versioned_t = extern struct {
    is_some: bool = false,
    val: portcullis_policy_store_versioned_t = @import("std").mem.zeroes(portcullis_policy_store_versioned_t),
    pub const portcullis_policy_store_option_versioned_free = __root.portcullis_policy_store_option_versioned_free;
    pub const free = __root.portcullis_policy_store_option_versioned_free;
};
const union_unnamed_7 = extern union {
    ok: portcullis_policy_store_option_versioned_t,
    err: portcullis_policy_store_error_t,
};
pub const portcullis_policy_store_result_option_versioned_error_t = extern struct {
    is_err: bool = false,
    val: union_unnamed_7 = @import("std").mem.zeroes(union_unnamed_7),
    pub const portcullis_policy_store_result_option_versioned_error_free = __root.portcullis_policy_store_result_option_versioned_error_free;
    pub const free = __root.portcullis_policy_store_result_option_versioned_error_free;
};
pub const portcullis_policy_log_level_t = u8;
pub const portcullis_policy_types_moment_t = u64;
pub const struct_portcullis_policy_types_endpoint_t = extern struct {
    address: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    port: u16 = 0,
    pub const portcullis_policy_types_endpoint_free = __root.portcullis_policy_types_endpoint_free;
    pub const free = __root.portcullis_policy_types_endpoint_free;
};
pub const portcullis_policy_types_endpoint_t = struct_portcullis_policy_types_endpoint_t;
pub const failed_logins_option_string_t = extern struct {
    is_some: bool = false,
    val: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    pub const failed_logins_option_string_free = __root.failed_logins_option_string_free;
    pub const free = __root.failed_logins_option_string_free;
};
pub const struct_portcullis_policy_types_tls_facts_t = extern struct {
    version: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    cipher: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    server_name: failed_logins_option_string_t = @import("std").mem.zeroes(failed_logins_option_string_t),
    alpn: failed_logins_option_string_t = @import("std").mem.zeroes(failed_logins_option_string_t),
    resumed: bool = false,
    ja4: failed_logins_option_string_t = @import("std").mem.zeroes(failed_logins_option_string_t),
    client_certificate: failed_logins_option_string_t = @import("std").mem.zeroes(failed_logins_option_string_t),
    pub const portcullis_policy_types_tls_facts_free = __root.portcullis_policy_types_tls_facts_free;
    pub const free = __root.portcullis_policy_types_tls_facts_free;
};
pub const portcullis_policy_types_tls_facts_t = struct_portcullis_policy_types_tls_facts_t;
pub const struct_portcullis_policy_types_session_facts_t = extern struct {
    started: portcullis_policy_types_moment_t = 0,
    commands: u32 = 0,
    unknown_commands: u32 = 0,
    failed_logins: u32 = 0,
    transfers: u32 = 0,
    bytes_in: u64 = 0,
    bytes_out: u64 = 0,
};
pub const portcullis_policy_types_session_facts_t = struct_portcullis_policy_types_session_facts_t;
pub const portcullis_policy_types_option_moment_t = extern struct {
    is_some: bool = false,
    val: portcullis_policy_types_moment_t = 0,
    pub const portcullis_policy_types_option_moment_free = __root.portcullis_policy_types_option_moment_free;
    pub const free = __root.portcullis_policy_types_option_moment_free;
};
pub const struct_portcullis_policy_types_history_t = extern struct {
    last_success: portcullis_policy_types_option_moment_t = @import("std").mem.zeroes(portcullis_policy_types_option_moment_t),
    good_users: u32 = 0,
    earlier_bans: u32 = 0,
    pub const portcullis_policy_types_history_free = __root.portcullis_policy_types_history_free;
    pub const free = __root.portcullis_policy_types_history_free;
};
pub const portcullis_policy_types_history_t = struct_portcullis_policy_types_history_t;
pub const failed_logins_option_u32_t = extern struct {
    is_some: bool = false,
    val: u32 = 0,
    pub const failed_logins_option_u32_free = __root.failed_logins_option_u32_free;
    pub const free = __root.failed_logins_option_u32_free;
};
pub const struct_portcullis_policy_types_place_t = extern struct {
    country: failed_logins_option_string_t = @import("std").mem.zeroes(failed_logins_option_string_t),
    as_number: failed_logins_option_u32_t = @import("std").mem.zeroes(failed_logins_option_u32_t),
    as_name: failed_logins_option_string_t = @import("std").mem.zeroes(failed_logins_option_string_t),
    pub const portcullis_policy_types_place_free = __root.portcullis_policy_types_place_free;
    pub const free = __root.portcullis_policy_types_place_free;
};
pub const portcullis_policy_types_place_t = struct_portcullis_policy_types_place_t;
pub const portcullis_policy_types_login_cause_t = u8;
pub const struct_portcullis_policy_types_login_failure_t = extern struct {
    cause: portcullis_policy_types_login_cause_t = 0,
    attempt_tag: u16 = 0,
};
pub const portcullis_policy_types_login_failure_t = struct_portcullis_policy_types_login_failure_t;
pub const struct_portcullis_policy_types_command_t = extern struct {
    verb: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    argument: failed_logins_option_string_t = @import("std").mem.zeroes(failed_logins_option_string_t),
    pub const portcullis_policy_types_command_free = __root.portcullis_policy_types_command_free;
    pub const free = __root.portcullis_policy_types_command_free;
};
pub const portcullis_policy_types_command_t = struct_portcullis_policy_types_command_t;
pub const portcullis_policy_types_direction_t = u8;
pub const struct_portcullis_policy_types_transfer_t = extern struct {
    direction: portcullis_policy_types_direction_t = 0,
    path: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    bytes: u64 = 0,
    milliseconds: u64 = 0,
    pub const portcullis_policy_types_transfer_free = __root.portcullis_policy_types_transfer_free;
    pub const free = __root.portcullis_policy_types_transfer_free;
};
pub const portcullis_policy_types_transfer_t = struct_portcullis_policy_types_transfer_t;
pub const portcullis_policy_types_transfer_result_t = u8;
pub const struct_portcullis_policy_types_fact_t = extern struct {
    name: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    value: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    pub const portcullis_policy_types_fact_free = __root.portcullis_policy_types_fact_free;
    pub const free = __root.portcullis_policy_types_fact_free;
};
pub const portcullis_policy_types_fact_t = struct_portcullis_policy_types_fact_t;
pub const portcullis_policy_types_list_fact_t = extern struct {
    ptr: [*c]portcullis_policy_types_fact_t = null,
    len: usize = 0,
    pub const portcullis_policy_types_list_fact_free = __root.portcullis_policy_types_list_fact_free;
    pub const free = __root.portcullis_policy_types_list_fact_free;
};
pub const struct_portcullis_policy_types_other_event_t = extern struct {
    name: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    facts: portcullis_policy_types_list_fact_t = @import("std").mem.zeroes(portcullis_policy_types_list_fact_t),
    pub const portcullis_policy_types_other_event_free = __root.portcullis_policy_types_other_event_free;
    pub const free = __root.portcullis_policy_types_other_event_free;
};
pub const portcullis_policy_types_other_event_t = struct_portcullis_policy_types_other_event_t;
pub const portcullis_policy_types_tuple2_transfer_transfer_result_t = extern struct {
    f0: portcullis_policy_types_transfer_t = @import("std").mem.zeroes(portcullis_policy_types_transfer_t),
    f1: portcullis_policy_types_transfer_result_t = 0,
    pub const portcullis_policy_types_tuple2_transfer_transfer_result_free = __root.portcullis_policy_types_tuple2_transfer_transfer_result_free;
    pub const free = __root.portcullis_policy_types_tuple2_transfer_transfer_result_free;
};
pub const failed_logins_tuple2_string_string_t = extern struct {
    f0: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    f1: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    pub const failed_logins_tuple2_string_string_free = __root.failed_logins_tuple2_string_string_free;
    pub const free = __root.failed_logins_tuple2_string_string_free;
};
const union_unnamed_8 = extern union {
    tls_failed: failed_logins_string_t,
    login_attempt: u16,
    login_failed: portcullis_policy_types_login_failure_t,
    command: portcullis_policy_types_command_t,
    command_unknown: portcullis_policy_types_command_t,
    protocol_mismatch: failed_logins_string_t,
    transfer_started: portcullis_policy_types_transfer_t,
    transfer_ended: portcullis_policy_types_tuple2_transfer_transfer_result_t,
    timeout: failed_logins_string_t,
    limit_reached: failed_logins_string_t,
    disconnected: failed_logins_string_t,
    custom: failed_logins_tuple2_string_string_t,
    other: portcullis_policy_types_other_event_t,
};
pub const struct_portcullis_policy_types_event_kind_t = extern struct {
    tag: u8 = 0,
    val: union_unnamed_8 = @import("std").mem.zeroes(union_unnamed_8),
    pub const portcullis_policy_types_event_kind_free = __root.portcullis_policy_types_event_kind_free;
    pub const free = __root.portcullis_policy_types_event_kind_free;
};
pub const portcullis_policy_types_event_kind_t = struct_portcullis_policy_types_event_kind_t;
pub const portcullis_policy_types_option_tls_facts_t = extern struct {
    is_some: bool = false,
    val: portcullis_policy_types_tls_facts_t = @import("std").mem.zeroes(portcullis_policy_types_tls_facts_t),
    pub const portcullis_policy_types_option_tls_facts_free = __root.portcullis_policy_types_option_tls_facts_free;
    pub const free = __root.portcullis_policy_types_option_tls_facts_free;
};
pub const portcullis_policy_types_option_history_t = extern struct {
    is_some: bool = false,
    val: portcullis_policy_types_history_t = @import("std").mem.zeroes(portcullis_policy_types_history_t),
    pub const portcullis_policy_types_option_history_free = __root.portcullis_policy_types_option_history_free;
    pub const free = __root.portcullis_policy_types_option_history_free;
};
pub const portcullis_policy_types_option_place_t = extern struct {
    is_some: bool = false,
    val: portcullis_policy_types_place_t = @import("std").mem.zeroes(portcullis_policy_types_place_t),
    pub const portcullis_policy_types_option_place_free = __root.portcullis_policy_types_option_place_free;
    pub const free = __root.portcullis_policy_types_option_place_free;
};
pub const struct_portcullis_policy_types_event_t = extern struct {
    at: portcullis_policy_types_moment_t = 0,
    site: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    node: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    server: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    connection: u64 = 0,
    peer: portcullis_policy_types_endpoint_t = @import("std").mem.zeroes(portcullis_policy_types_endpoint_t),
    local: portcullis_policy_types_endpoint_t = @import("std").mem.zeroes(portcullis_policy_types_endpoint_t),
    classes: failed_logins_list_string_t = @import("std").mem.zeroes(failed_logins_list_string_t),
    user: failed_logins_option_string_t = @import("std").mem.zeroes(failed_logins_option_string_t),
    logged_in: bool = false,
    session: portcullis_policy_types_session_facts_t = @import("std").mem.zeroes(portcullis_policy_types_session_facts_t),
    tls: portcullis_policy_types_option_tls_facts_t = @import("std").mem.zeroes(portcullis_policy_types_option_tls_facts_t),
    history: portcullis_policy_types_option_history_t = @import("std").mem.zeroes(portcullis_policy_types_option_history_t),
    place: portcullis_policy_types_option_place_t = @import("std").mem.zeroes(portcullis_policy_types_option_place_t),
    store_degraded: bool = false,
    more: portcullis_policy_types_list_fact_t = @import("std").mem.zeroes(portcullis_policy_types_list_fact_t),
    kind: portcullis_policy_types_event_kind_t = @import("std").mem.zeroes(portcullis_policy_types_event_kind_t),
    pub const exports_portcullis_policy_ban_guest_evaluate = __root.exports_portcullis_policy_ban_guest_evaluate;
    pub const portcullis_policy_types_event_free = __root.portcullis_policy_types_event_free;
    pub const exports_portcullis_policy_ban_guest_event_free = __root.exports_portcullis_policy_ban_guest_event_free;
    pub const evaluate = __root.exports_portcullis_policy_ban_guest_evaluate;
    pub const free = __root.portcullis_policy_types_event_free;
};
pub const portcullis_policy_types_event_t = struct_portcullis_policy_types_event_t;
const union_unnamed_9 = extern union {
    host: failed_logins_string_t,
    network: failed_logins_string_t,
    user: failed_logins_string_t,
    user_at_host: failed_logins_tuple2_string_string_t,
    class_: failed_logins_string_t,
    client_certificate: failed_logins_string_t,
    tls_fingerprint: failed_logins_string_t,
};
pub const struct_portcullis_policy_types_subject_t = extern struct {
    tag: u8 = 0,
    val: union_unnamed_9 = @import("std").mem.zeroes(union_unnamed_9),
    pub const portcullis_policy_types_subject_free = __root.portcullis_policy_types_subject_free;
    pub const free = __root.portcullis_policy_types_subject_free;
};
pub const portcullis_policy_types_subject_t = struct_portcullis_policy_types_subject_t;
pub const portcullis_policy_types_reach_t = u8;
pub const struct_portcullis_policy_types_ban_t = extern struct {
    subject: portcullis_policy_types_subject_t = @import("std").mem.zeroes(portcullis_policy_types_subject_t),
    seconds: failed_logins_option_u32_t = @import("std").mem.zeroes(failed_logins_option_u32_t),
    reason: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    message: failed_logins_option_string_t = @import("std").mem.zeroes(failed_logins_option_string_t),
    reach: portcullis_policy_types_reach_t = 0,
    pub const portcullis_policy_types_ban_free = __root.portcullis_policy_types_ban_free;
    pub const free = __root.portcullis_policy_types_ban_free;
};
pub const portcullis_policy_types_ban_t = struct_portcullis_policy_types_ban_t;
pub const struct_portcullis_policy_types_refusal_t = extern struct {
    text: failed_logins_option_string_t = @import("std").mem.zeroes(failed_logins_option_string_t),
    close: bool = false,
    pub const portcullis_policy_types_refusal_free = __root.portcullis_policy_types_refusal_free;
    pub const free = __root.portcullis_policy_types_refusal_free;
};
pub const portcullis_policy_types_refusal_t = struct_portcullis_policy_types_refusal_t;
const union_unnamed_10 = extern union {
    refuse: portcullis_policy_types_refusal_t,
};
pub const struct_portcullis_policy_types_decision_t = extern struct {
    tag: u8 = 0,
    val: union_unnamed_10 = @import("std").mem.zeroes(union_unnamed_10),
    pub const portcullis_policy_types_decision_free = __root.portcullis_policy_types_decision_free;
    pub const free = __root.portcullis_policy_types_decision_free;
};
pub const portcullis_policy_types_decision_t = struct_portcullis_policy_types_decision_t;
pub const portcullis_policy_types_list_ban_t = extern struct {
    ptr: [*c]portcullis_policy_types_ban_t = null,
    len: usize = 0,
    pub const portcullis_policy_types_list_ban_free = __root.portcullis_policy_types_list_ban_free;
    pub const free = __root.portcullis_policy_types_list_ban_free;
};
pub const portcullis_policy_types_list_subject_t = extern struct {
    ptr: [*c]portcullis_policy_types_subject_t = null,
    len: usize = 0,
    pub const portcullis_policy_types_list_subject_free = __root.portcullis_policy_types_list_subject_free;
    pub const free = __root.portcullis_policy_types_list_subject_free;
};
pub const struct_portcullis_policy_types_verdict_t = extern struct {
    decision: portcullis_policy_types_decision_t = @import("std").mem.zeroes(portcullis_policy_types_decision_t),
    delay_milliseconds: u32 = 0,
    bans: portcullis_policy_types_list_ban_t = @import("std").mem.zeroes(portcullis_policy_types_list_ban_t),
    lifts: portcullis_policy_types_list_subject_t = @import("std").mem.zeroes(portcullis_policy_types_list_subject_t),
    alerts: failed_logins_list_string_t = @import("std").mem.zeroes(failed_logins_list_string_t),
    more: portcullis_policy_types_list_fact_t = @import("std").mem.zeroes(portcullis_policy_types_list_fact_t),
    pub const portcullis_policy_types_verdict_free = __root.portcullis_policy_types_verdict_free;
    pub const exports_portcullis_policy_ban_guest_verdict_free = __root.exports_portcullis_policy_ban_guest_verdict_free;
    pub const free = __root.portcullis_policy_types_verdict_free;
};
pub const portcullis_policy_types_verdict_t = struct_portcullis_policy_types_verdict_t;
pub const struct_portcullis_policy_types_setting_error_t = extern struct {
    path: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    problem: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    line: failed_logins_option_u32_t = @import("std").mem.zeroes(failed_logins_option_u32_t),
    column: failed_logins_option_u32_t = @import("std").mem.zeroes(failed_logins_option_u32_t),
    pub const portcullis_policy_types_setting_error_free = __root.portcullis_policy_types_setting_error_free;
    pub const exports_portcullis_policy_ban_guest_setting_error_free = __root.exports_portcullis_policy_ban_guest_setting_error_free;
    pub const free = __root.portcullis_policy_types_setting_error_free;
};
pub const portcullis_policy_types_setting_error_t = struct_portcullis_policy_types_setting_error_t;
pub const struct_portcullis_policy_types_description_t = extern struct {
    name: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    version: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    summary: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    events: failed_logins_list_string_t = @import("std").mem.zeroes(failed_logins_list_string_t),
    facts: failed_logins_list_string_t = @import("std").mem.zeroes(failed_logins_list_string_t),
    settings_schema: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    pub const exports_portcullis_policy_ban_guest_describe = __root.exports_portcullis_policy_ban_guest_describe;
    pub const portcullis_policy_types_description_free = __root.portcullis_policy_types_description_free;
    pub const exports_portcullis_policy_ban_guest_description_free = __root.exports_portcullis_policy_ban_guest_description_free;
    pub const describe = __root.exports_portcullis_policy_ban_guest_describe;
    pub const free = __root.portcullis_policy_types_description_free;
};
pub const portcullis_policy_types_description_t = struct_portcullis_policy_types_description_t;
pub const struct_portcullis_policy_types_host_info_t = extern struct {
    version: failed_logins_string_t = @import("std").mem.zeroes(failed_logins_string_t),
    events: failed_logins_list_string_t = @import("std").mem.zeroes(failed_logins_list_string_t),
    facts: failed_logins_list_string_t = @import("std").mem.zeroes(failed_logins_list_string_t),
    effects: failed_logins_list_string_t = @import("std").mem.zeroes(failed_logins_list_string_t),
    pub const exports_portcullis_policy_ban_guest_configure = __root.exports_portcullis_policy_ban_guest_configure;
    pub const portcullis_policy_types_host_info_free = __root.portcullis_policy_types_host_info_free;
    pub const exports_portcullis_policy_ban_guest_host_info_free = __root.exports_portcullis_policy_ban_guest_host_info_free;
    pub const configure = __root.exports_portcullis_policy_ban_guest_configure;
    pub const free = __root.portcullis_policy_types_host_info_free;
};
pub const portcullis_policy_types_host_info_t = struct_portcullis_policy_types_host_info_t;
pub const exports_portcullis_policy_ban_guest_event_t = portcullis_policy_types_event_t;
pub const exports_portcullis_policy_ban_guest_verdict_t = portcullis_policy_types_verdict_t;
pub const exports_portcullis_policy_ban_guest_description_t = portcullis_policy_types_description_t;
pub const exports_portcullis_policy_ban_guest_setting_error_t = portcullis_policy_types_setting_error_t;
pub const exports_portcullis_policy_ban_guest_host_info_t = portcullis_policy_types_host_info_t;
pub const exports_portcullis_policy_ban_guest_list_setting_error_t = extern struct {
    ptr: [*c]exports_portcullis_policy_ban_guest_setting_error_t = null,
    len: usize = 0,
    pub const exports_portcullis_policy_ban_guest_list_setting_error_free = __root.exports_portcullis_policy_ban_guest_list_setting_error_free;
    pub const free = __root.exports_portcullis_policy_ban_guest_list_setting_error_free;
};
const union_unnamed_11 = extern union {
    err: exports_portcullis_policy_ban_guest_list_setting_error_t,
};
pub const exports_portcullis_policy_ban_guest_result_void_list_setting_error_t = extern struct {
    is_err: bool = false,
    val: union_unnamed_11 = @import("std").mem.zeroes(union_unnamed_11),
    pub const exports_portcullis_policy_ban_guest_result_void_list_setting_error_free = __root.exports_portcullis_policy_ban_guest_result_void_list_setting_error_free;
    pub const free = __root.exports_portcullis_policy_ban_guest_result_void_list_setting_error_free;
};
pub extern fn portcullis_policy_store_get(key: [*c]failed_logins_string_t, ret: [*c]failed_logins_option_list_u8_t, err: [*c]portcullis_policy_store_error_t) bool;
pub extern fn portcullis_policy_store_get_many(keys: [*c]failed_logins_list_string_t, ret: [*c]failed_logins_list_option_list_u8_t, err: [*c]portcullis_policy_store_error_t) bool;
pub extern fn portcullis_policy_store_set(key: [*c]failed_logins_string_t, value: [*c]failed_logins_list_u8_t, seconds: u32, err: [*c]portcullis_policy_store_error_t) bool;
pub extern fn portcullis_policy_store_add(key: [*c]failed_logins_string_t, value: [*c]failed_logins_list_u8_t, seconds: u32, ret: [*c]bool, err: [*c]portcullis_policy_store_error_t) bool;
pub extern fn portcullis_policy_store_delete(key: [*c]failed_logins_string_t, ret: [*c]bool, err: [*c]portcullis_policy_store_error_t) bool;
pub extern fn portcullis_policy_store_increment(key: [*c]failed_logins_string_t, by: u64, seconds: u32, ret: [*c]u64, err: [*c]portcullis_policy_store_error_t) bool;
pub extern fn portcullis_policy_store_count_distinct(key: [*c]failed_logins_string_t, item: [*c]failed_logins_string_t, seconds: u32, ret: [*c]u64, err: [*c]portcullis_policy_store_error_t) bool;
pub extern fn portcullis_policy_store_get_versioned(key: [*c]failed_logins_string_t, ret: [*c]portcullis_policy_store_option_versioned_t, err: [*c]portcullis_policy_store_error_t) bool;
pub extern fn portcullis_policy_store_compare_and_swap(key: [*c]failed_logins_string_t, value: [*c]failed_logins_list_u8_t, version: u64, seconds: u32, ret: [*c]bool, err: [*c]portcullis_policy_store_error_t) bool;
pub extern fn portcullis_policy_log_write(level: portcullis_policy_log_level_t, message: [*c]failed_logins_string_t) void;
pub extern fn exports_portcullis_policy_ban_guest_describe(ret: [*c]exports_portcullis_policy_ban_guest_description_t) void;
pub extern fn exports_portcullis_policy_ban_guest_configure(host: [*c]exports_portcullis_policy_ban_guest_host_info_t, settings: [*c]failed_logins_string_t, err: [*c]exports_portcullis_policy_ban_guest_list_setting_error_t) bool;
pub extern fn exports_portcullis_policy_ban_guest_evaluate(event: [*c]exports_portcullis_policy_ban_guest_event_t, ret: [*c]exports_portcullis_policy_ban_guest_verdict_t) void;
pub extern fn portcullis_policy_store_error_free(ptr: [*c]portcullis_policy_store_error_t) void;
pub extern fn failed_logins_list_u8_free(ptr: [*c]failed_logins_list_u8_t) void;
pub extern fn portcullis_policy_store_versioned_free(ptr: [*c]portcullis_policy_store_versioned_t) void;
pub extern fn failed_logins_option_list_u8_free(ptr: [*c]failed_logins_option_list_u8_t) void;
pub extern fn portcullis_policy_store_result_option_list_u8_error_free(ptr: [*c]portcullis_policy_store_result_option_list_u8_error_t) void;
pub extern fn failed_logins_list_string_free(ptr: [*c]failed_logins_list_string_t) void;
pub extern fn failed_logins_list_option_list_u8_free(ptr: [*c]failed_logins_list_option_list_u8_t) void;
pub extern fn portcullis_policy_store_result_list_option_list_u8_error_free(ptr: [*c]portcullis_policy_store_result_list_option_list_u8_error_t) void;
pub extern fn portcullis_policy_store_result_void_error_free(ptr: [*c]portcullis_policy_store_result_void_error_t) void;
pub extern fn portcullis_policy_store_result_bool_error_free(ptr: [*c]portcullis_policy_store_result_bool_error_t) void;
pub extern fn portcullis_policy_store_result_u64_error_free(ptr: [*c]portcullis_policy_store_result_u64_error_t) void;
pub extern fn portcullis_policy_store_option_versioned_free(ptr: [*c]portcullis_policy_store_option_versioned_t) void;
pub extern fn portcullis_policy_store_result_option_versioned_error_free(ptr: [*c]portcullis_policy_store_result_option_versioned_error_t) void;
pub extern fn portcullis_policy_types_endpoint_free(ptr: [*c]portcullis_policy_types_endpoint_t) void;
pub extern fn failed_logins_option_string_free(ptr: [*c]failed_logins_option_string_t) void;
pub extern fn portcullis_policy_types_tls_facts_free(ptr: [*c]portcullis_policy_types_tls_facts_t) void;
pub extern fn portcullis_policy_types_option_moment_free(ptr: [*c]portcullis_policy_types_option_moment_t) void;
pub extern fn portcullis_policy_types_history_free(ptr: [*c]portcullis_policy_types_history_t) void;
pub extern fn failed_logins_option_u32_free(ptr: [*c]failed_logins_option_u32_t) void;
pub extern fn portcullis_policy_types_place_free(ptr: [*c]portcullis_policy_types_place_t) void;
pub extern fn portcullis_policy_types_command_free(ptr: [*c]portcullis_policy_types_command_t) void;
pub extern fn portcullis_policy_types_transfer_free(ptr: [*c]portcullis_policy_types_transfer_t) void;
pub extern fn portcullis_policy_types_fact_free(ptr: [*c]portcullis_policy_types_fact_t) void;
pub extern fn portcullis_policy_types_list_fact_free(ptr: [*c]portcullis_policy_types_list_fact_t) void;
pub extern fn portcullis_policy_types_other_event_free(ptr: [*c]portcullis_policy_types_other_event_t) void;
pub extern fn portcullis_policy_types_tuple2_transfer_transfer_result_free(ptr: [*c]portcullis_policy_types_tuple2_transfer_transfer_result_t) void;
pub extern fn failed_logins_tuple2_string_string_free(ptr: [*c]failed_logins_tuple2_string_string_t) void;
pub extern fn portcullis_policy_types_event_kind_free(ptr: [*c]portcullis_policy_types_event_kind_t) void;
pub extern fn portcullis_policy_types_option_tls_facts_free(ptr: [*c]portcullis_policy_types_option_tls_facts_t) void;
pub extern fn portcullis_policy_types_option_history_free(ptr: [*c]portcullis_policy_types_option_history_t) void;
pub extern fn portcullis_policy_types_option_place_free(ptr: [*c]portcullis_policy_types_option_place_t) void;
pub extern fn portcullis_policy_types_event_free(ptr: [*c]portcullis_policy_types_event_t) void;
pub extern fn portcullis_policy_types_subject_free(ptr: [*c]portcullis_policy_types_subject_t) void;
pub extern fn portcullis_policy_types_ban_free(ptr: [*c]portcullis_policy_types_ban_t) void;
pub extern fn portcullis_policy_types_refusal_free(ptr: [*c]portcullis_policy_types_refusal_t) void;
pub extern fn portcullis_policy_types_decision_free(ptr: [*c]portcullis_policy_types_decision_t) void;
pub extern fn portcullis_policy_types_list_ban_free(ptr: [*c]portcullis_policy_types_list_ban_t) void;
pub extern fn portcullis_policy_types_list_subject_free(ptr: [*c]portcullis_policy_types_list_subject_t) void;
pub extern fn portcullis_policy_types_verdict_free(ptr: [*c]portcullis_policy_types_verdict_t) void;
pub extern fn portcullis_policy_types_setting_error_free(ptr: [*c]portcullis_policy_types_setting_error_t) void;
pub extern fn portcullis_policy_types_description_free(ptr: [*c]portcullis_policy_types_description_t) void;
pub extern fn portcullis_policy_types_host_info_free(ptr: [*c]portcullis_policy_types_host_info_t) void;
pub extern fn exports_portcullis_policy_ban_guest_event_free(ptr: [*c]exports_portcullis_policy_ban_guest_event_t) void;
pub extern fn exports_portcullis_policy_ban_guest_verdict_free(ptr: [*c]exports_portcullis_policy_ban_guest_verdict_t) void;
pub extern fn exports_portcullis_policy_ban_guest_description_free(ptr: [*c]exports_portcullis_policy_ban_guest_description_t) void;
pub extern fn exports_portcullis_policy_ban_guest_setting_error_free(ptr: [*c]exports_portcullis_policy_ban_guest_setting_error_t) void;
pub extern fn exports_portcullis_policy_ban_guest_host_info_free(ptr: [*c]exports_portcullis_policy_ban_guest_host_info_t) void;
pub extern fn exports_portcullis_policy_ban_guest_list_setting_error_free(ptr: [*c]exports_portcullis_policy_ban_guest_list_setting_error_t) void;
pub extern fn exports_portcullis_policy_ban_guest_result_void_list_setting_error_free(ptr: [*c]exports_portcullis_policy_ban_guest_result_void_list_setting_error_t) void;
pub extern fn failed_logins_string_set(ret: [*c]failed_logins_string_t, s: [*c]const u8) void;
pub extern fn failed_logins_string_dup(ret: [*c]failed_logins_string_t, s: [*c]const u8) void;
pub extern fn failed_logins_string_dup_n(ret: [*c]failed_logins_string_t, s: [*c]const u8, len: usize) void;
pub extern fn failed_logins_string_free(ret: [*c]failed_logins_string_t) void;

pub const __VERSION__ = "Aro aro-zig";
pub const __Aro__ = "";
pub const __STDC__ = @as(c_int, 1);
pub const __STDC_HOSTED__ = @as(c_int, 1);
pub const __STDC_UTF_16__ = @as(c_int, 1);
pub const __STDC_UTF_32__ = @as(c_int, 1);
pub const __STDC_EMBED_NOT_FOUND__ = @as(c_int, 0);
pub const __STDC_EMBED_FOUND__ = @as(c_int, 1);
pub const __STDC_EMBED_EMPTY__ = @as(c_int, 2);
pub const __STDC_VERSION__ = @as(c_long, 201710);
pub const __GNUC__ = @as(c_int, 4);
pub const __GNUC_MINOR__ = @as(c_int, 2);
pub const __GNUC_PATCHLEVEL__ = @as(c_int, 1);
pub const __ARO_EMULATE_NO__ = @as(c_int, 0);
pub const __ARO_EMULATE_CLANG__ = @as(c_int, 1);
pub const __ARO_EMULATE_GCC__ = @as(c_int, 2);
pub const __ARO_EMULATE_MSVC__ = @as(c_int, 3);
pub const __ARO_EMULATE__ = __ARO_EMULATE_CLANG__;
pub inline fn __building_module(x: anytype) @TypeOf(@as(c_int, 0)) {
    _ = &x;
    return @as(c_int, 0);
}
pub const TARGET_OS_WIN32 = @as(c_int, 0);
pub const TARGET_OS_WINDOWS = @as(c_int, 0);
pub const TARGET_OS_LINUX = @as(c_int, 0);
pub const TARGET_OS_UNIX = @as(c_int, 0);
pub const TARGET_OS_MAC = @as(c_int, 0);
pub const TARGET_OS_OSX = @as(c_int, 0);
pub const TARGET_OS_IPHONE = @as(c_int, 0);
pub const TARGET_OS_IOS = @as(c_int, 0);
pub const TARGET_OS_TV = @as(c_int, 0);
pub const TARGET_OS_WATCH = @as(c_int, 0);
pub const TARGET_OS_VISION = @as(c_int, 0);
pub const TARGET_OS_DRIVERKIT = @as(c_int, 0);
pub const TARGET_OS_MACCATALYST = @as(c_int, 0);
pub const TARGET_OS_SIMULATOR = @as(c_int, 0);
pub const TARGET_OS_EMBEDDED = @as(c_int, 0);
pub const TARGET_OS_NANO = @as(c_int, 0);
pub const TARGET_IPHONE_SIMULATOR = @as(c_int, 0);
pub const TARGET_OS_UIKITFORMAC = @as(c_int, 0);
pub const TARGET_OS_UEFI = @as(c_int, 0);
pub const __wasi__ = @as(c_int, 1);
pub const __wasm = @as(c_int, 1);
pub const __wasm__ = @as(c_int, 1);
pub const __wasm32 = @as(c_int, 1);
pub const __wasm32__ = @as(c_int, 1);
pub const __wasm_bulk_memory_opt__ = @as(c_int, 1);
pub const __wasm_call_indirect_overlong__ = @as(c_int, 1);
pub const __wasm_extended_const__ = @as(c_int, 1);
pub const __wasm_multivalue__ = @as(c_int, 1);
pub const __wasm_mutable_globals__ = @as(c_int, 1);
pub const __wasm_nontrapping_fptoint__ = @as(c_int, 1);
pub const __wasm_sign_ext__ = @as(c_int, 1);
pub const _ILP32 = @as(c_int, 1);
pub const __ILP32__ = @as(c_int, 1);
pub const __FLOAT128__ = @as(c_int, 1);
pub const __ORDER_LITTLE_ENDIAN__ = @as(c_int, 1234);
pub const __ORDER_BIG_ENDIAN__ = @as(c_int, 4321);
pub const __ORDER_PDP_ENDIAN__ = @as(c_int, 3412);
pub const __BYTE_ORDER__ = __ORDER_LITTLE_ENDIAN__;
pub const __LITTLE_ENDIAN__ = @as(c_int, 1);
pub const __ATOMIC_RELAXED = @as(c_int, 0);
pub const __ATOMIC_CONSUME = @as(c_int, 1);
pub const __ATOMIC_ACQUIRE = @as(c_int, 2);
pub const __ATOMIC_RELEASE = @as(c_int, 3);
pub const __ATOMIC_ACQ_REL = @as(c_int, 4);
pub const __ATOMIC_SEQ_CST = @as(c_int, 5);
pub const __ATOMIC_BOOL_LOCK_FREE = @as(c_int, 1);
pub const __ATOMIC_CHAR_LOCK_FREE = @as(c_int, 1);
pub const __ATOMIC_CHAR16_T_LOCK_FREE = @as(c_int, 1);
pub const __ATOMIC_CHAR32_T_LOCK_FREE = @as(c_int, 1);
pub const __ATOMIC_WCHAR_T_LOCK_FREE = @as(c_int, 1);
pub const __ATOMIC_WINT_T_LOCK_FREE = @as(c_int, 1);
pub const __ATOMIC_SHORT_LOCK_FREE = @as(c_int, 1);
pub const __ATOMIC_INT_LOCK_FREE = @as(c_int, 1);
pub const __ATOMIC_LONG_LOCK_FREE = @as(c_int, 1);
pub const __ATOMIC_LLONG_LOCK_FREE = @as(c_int, 1);
pub const __ATOMIC_POINTER_LOCK_FREE = @as(c_int, 1);
pub const __CHAR_BIT__ = @as(c_int, 8);
pub const __BOOL_WIDTH__ = @as(c_int, 8);
pub const __SCHAR_MAX__ = @as(c_int, 127);
pub const __SCHAR_WIDTH__ = @as(c_int, 8);
pub const __SHRT_MAX__ = @as(c_int, 32767);
pub const __SHRT_WIDTH__ = @as(c_int, 16);
pub const __INT_MAX__ = __helpers.promoteIntLiteral(c_int, 2147483647, .decimal);
pub const __INT_WIDTH__ = @as(c_int, 32);
pub const __LONG_MAX__ = @as(c_long, 2147483647);
pub const __LONG_WIDTH__ = @as(c_int, 32);
pub const __LONG_LONG_MAX__ = @as(c_longlong, 9223372036854775807);
pub const __LONG_LONG_WIDTH__ = @as(c_int, 64);
pub const __WCHAR_MAX__ = __helpers.promoteIntLiteral(c_int, 2147483647, .decimal);
pub const __WCHAR_WIDTH__ = @as(c_int, 32);
pub const __WINT_MAX__ = __helpers.promoteIntLiteral(c_int, 2147483647, .decimal);
pub const __WINT_WIDTH__ = @as(c_int, 32);
pub const __INTMAX_MAX__ = @as(c_longlong, 9223372036854775807);
pub const __INTMAX_WIDTH__ = @as(c_int, 64);
pub const __SIZE_MAX__ = @as(c_ulong, 4294967295);
pub const __SIZE_WIDTH__ = @as(c_int, 32);
pub const __UINTMAX_MAX__ = @as(c_ulonglong, 18446744073709551615);
pub const __UINTMAX_WIDTH__ = @as(c_int, 64);
pub const __PTRDIFF_MAX__ = @as(c_long, 2147483647);
pub const __PTRDIFF_WIDTH__ = @as(c_int, 32);
pub const __INTPTR_MAX__ = @as(c_long, 2147483647);
pub const __INTPTR_WIDTH__ = @as(c_int, 32);
pub const __UINTPTR_MAX__ = @as(c_ulong, 4294967295);
pub const __UINTPTR_WIDTH__ = @as(c_int, 32);
pub const __SIG_ATOMIC_MAX__ = @as(c_long, 2147483647);
pub const __SIG_ATOMIC_WIDTH__ = @as(c_int, 32);
pub const __BITINT_MAXWIDTH__ = __helpers.promoteIntLiteral(c_int, 65535, .decimal);
pub const __SIZEOF_FLOAT__ = @as(c_int, 4);
pub const __SIZEOF_DOUBLE__ = @as(c_int, 8);
pub const __SIZEOF_LONG_DOUBLE__ = @as(c_int, 16);
pub const __SIZEOF_SHORT__ = @as(c_int, 2);
pub const __SIZEOF_INT__ = @as(c_int, 4);
pub const __SIZEOF_LONG__ = @as(c_int, 4);
pub const __SIZEOF_LONG_LONG__ = @as(c_int, 8);
pub const __SIZEOF_POINTER__ = @as(c_int, 4);
pub const __SIZEOF_PTRDIFF_T__ = @as(c_int, 4);
pub const __SIZEOF_SIZE_T__ = @as(c_int, 4);
pub const __SIZEOF_WCHAR_T__ = @as(c_int, 4);
pub const __SIZEOF_WINT_T__ = @as(c_int, 4);
pub const __SIZEOF_INT128__ = @as(c_int, 16);
pub const __INTPTR_TYPE__ = c_long;
pub const __UINTPTR_TYPE__ = c_ulong;
pub const __INTMAX_TYPE__ = c_longlong;
pub const __INTMAX_C_SUFFIX__ = @compileError("unable to translate macro: undefined identifier `L`");
// <builtin>:123:9
pub const __INTMAX_C = __helpers.L_SUFFIX;
pub const __UINTMAX_TYPE__ = c_ulonglong;
pub const __UINTMAX_C_SUFFIX__ = @compileError("unable to translate macro: undefined identifier `UL`");
// <builtin>:126:9
pub const __UINTMAX_C = __helpers.UL_SUFFIX;
pub const __PTRDIFF_TYPE__ = c_long;
pub const __SIZE_TYPE__ = c_ulong;
pub const __WCHAR_TYPE__ = c_int;
pub const __WINT_TYPE__ = c_int;
pub const __CHAR16_TYPE__ = c_ushort;
pub const __CHAR32_TYPE__ = c_uint;
pub const __INT8_TYPE__ = i8;
pub const __INT8_FMTd__ = "hhd";
pub const __INT8_FMTi__ = "hhi";
pub const __INT8_C_SUFFIX__ = "";
pub inline fn __INT8_C(c: anytype) @TypeOf(c) {
    _ = &c;
    return c;
}
pub const __INT16_TYPE__ = c_short;
pub const __INT16_FMTd__ = "hd";
pub const __INT16_FMTi__ = "hi";
pub const __INT16_C_SUFFIX__ = "";
pub inline fn __INT16_C(c: anytype) @TypeOf(c) {
    _ = &c;
    return c;
}
pub const __INT32_TYPE__ = c_int;
pub const __INT32_FMTd__ = "d";
pub const __INT32_FMTi__ = "i";
pub const __INT32_C_SUFFIX__ = "";
pub inline fn __INT32_C(c: anytype) @TypeOf(c) {
    _ = &c;
    return c;
}
pub const __INT64_TYPE__ = c_longlong;
pub const __INT64_FMTd__ = "lld";
pub const __INT64_FMTi__ = "lli";
pub const __INT64_C_SUFFIX__ = @compileError("unable to translate macro: undefined identifier `LL`");
// <builtin>:152:9
pub const __INT64_C = __helpers.LL_SUFFIX;
pub const __UINT8_TYPE__ = u8;
pub const __UINT8_FMTo__ = "hho";
pub const __UINT8_FMTu__ = "hhu";
pub const __UINT8_FMTx__ = "hhx";
pub const __UINT8_FMTX__ = "hhX";
pub const __UINT8_C_SUFFIX__ = "";
pub inline fn __UINT8_C(c: anytype) @TypeOf(c) {
    _ = &c;
    return c;
}
pub const __UINT8_MAX__ = @as(c_int, 255);
pub const __INT8_MAX__ = @as(c_int, 127);
pub const __UINT16_TYPE__ = c_ushort;
pub const __UINT16_FMTo__ = "ho";
pub const __UINT16_FMTu__ = "hu";
pub const __UINT16_FMTx__ = "hx";
pub const __UINT16_FMTX__ = "hX";
pub const __UINT16_C_SUFFIX__ = "";
pub inline fn __UINT16_C(c: anytype) @TypeOf(c) {
    _ = &c;
    return c;
}
pub const __UINT16_MAX__ = __helpers.promoteIntLiteral(c_int, 65535, .decimal);
pub const __INT16_MAX__ = @as(c_int, 32767);
pub const __UINT32_TYPE__ = c_uint;
pub const __UINT32_FMTo__ = "o";
pub const __UINT32_FMTu__ = "u";
pub const __UINT32_FMTx__ = "x";
pub const __UINT32_FMTX__ = "X";
pub const __UINT32_C_SUFFIX__ = @compileError("unable to translate macro: undefined identifier `U`");
// <builtin>:177:9
pub const __UINT32_C = __helpers.U_SUFFIX;
pub const __UINT32_MAX__ = __helpers.promoteIntLiteral(c_uint, 4294967295, .decimal);
pub const __INT32_MAX__ = __helpers.promoteIntLiteral(c_int, 2147483647, .decimal);
pub const __UINT64_TYPE__ = c_ulonglong;
pub const __UINT64_FMTo__ = "llo";
pub const __UINT64_FMTu__ = "llu";
pub const __UINT64_FMTx__ = "llx";
pub const __UINT64_FMTX__ = "llX";
pub const __UINT64_C_SUFFIX__ = @compileError("unable to translate macro: undefined identifier `ULL`");
// <builtin>:186:9
pub const __UINT64_C = __helpers.ULL_SUFFIX;
pub const __UINT64_MAX__ = @as(c_ulonglong, 18446744073709551615);
pub const __INT64_MAX__ = @as(c_longlong, 9223372036854775807);
pub const __INT_LEAST8_TYPE__ = i8;
pub const __INT_LEAST8_MAX__ = @as(c_int, 127);
pub const __INT_LEAST8_WIDTH__ = @as(c_int, 8);
pub const INT_LEAST8_FMTd__ = "hhd";
pub const INT_LEAST8_FMTi__ = "hhi";
pub const __UINT_LEAST8_TYPE__ = u8;
pub const __UINT_LEAST8_MAX__ = @as(c_int, 255);
pub const UINT_LEAST8_FMTo__ = "hho";
pub const UINT_LEAST8_FMTu__ = "hhu";
pub const UINT_LEAST8_FMTx__ = "hhx";
pub const UINT_LEAST8_FMTX__ = "hhX";
pub const __INT_FAST8_TYPE__ = i8;
pub const __INT_FAST8_MAX__ = @as(c_int, 127);
pub const __INT_FAST8_WIDTH__ = @as(c_int, 8);
pub const INT_FAST8_FMTd__ = "hhd";
pub const INT_FAST8_FMTi__ = "hhi";
pub const __UINT_FAST8_TYPE__ = u8;
pub const __UINT_FAST8_MAX__ = @as(c_int, 255);
pub const UINT_FAST8_FMTo__ = "hho";
pub const UINT_FAST8_FMTu__ = "hhu";
pub const UINT_FAST8_FMTx__ = "hhx";
pub const UINT_FAST8_FMTX__ = "hhX";
pub const __INT_LEAST16_TYPE__ = c_short;
pub const __INT_LEAST16_MAX__ = @as(c_int, 32767);
pub const __INT_LEAST16_WIDTH__ = @as(c_int, 16);
pub const INT_LEAST16_FMTd__ = "hd";
pub const INT_LEAST16_FMTi__ = "hi";
pub const __UINT_LEAST16_TYPE__ = c_ushort;
pub const __UINT_LEAST16_MAX__ = __helpers.promoteIntLiteral(c_int, 65535, .decimal);
pub const UINT_LEAST16_FMTo__ = "ho";
pub const UINT_LEAST16_FMTu__ = "hu";
pub const UINT_LEAST16_FMTx__ = "hx";
pub const UINT_LEAST16_FMTX__ = "hX";
pub const __INT_FAST16_TYPE__ = c_short;
pub const __INT_FAST16_MAX__ = @as(c_int, 32767);
pub const __INT_FAST16_WIDTH__ = @as(c_int, 16);
pub const INT_FAST16_FMTd__ = "hd";
pub const INT_FAST16_FMTi__ = "hi";
pub const __UINT_FAST16_TYPE__ = c_ushort;
pub const __UINT_FAST16_MAX__ = __helpers.promoteIntLiteral(c_int, 65535, .decimal);
pub const UINT_FAST16_FMTo__ = "ho";
pub const UINT_FAST16_FMTu__ = "hu";
pub const UINT_FAST16_FMTx__ = "hx";
pub const UINT_FAST16_FMTX__ = "hX";
pub const __INT_LEAST32_TYPE__ = c_int;
pub const __INT_LEAST32_MAX__ = __helpers.promoteIntLiteral(c_int, 2147483647, .decimal);
pub const __INT_LEAST32_WIDTH__ = @as(c_int, 32);
pub const INT_LEAST32_FMTd__ = "d";
pub const INT_LEAST32_FMTi__ = "i";
pub const __UINT_LEAST32_TYPE__ = c_uint;
pub const __UINT_LEAST32_MAX__ = __helpers.promoteIntLiteral(c_uint, 4294967295, .decimal);
pub const UINT_LEAST32_FMTo__ = "o";
pub const UINT_LEAST32_FMTu__ = "u";
pub const UINT_LEAST32_FMTx__ = "x";
pub const UINT_LEAST32_FMTX__ = "X";
pub const __INT_FAST32_TYPE__ = c_int;
pub const __INT_FAST32_MAX__ = __helpers.promoteIntLiteral(c_int, 2147483647, .decimal);
pub const __INT_FAST32_WIDTH__ = @as(c_int, 32);
pub const INT_FAST32_FMTd__ = "d";
pub const INT_FAST32_FMTi__ = "i";
pub const __UINT_FAST32_TYPE__ = c_uint;
pub const __UINT_FAST32_MAX__ = __helpers.promoteIntLiteral(c_uint, 4294967295, .decimal);
pub const UINT_FAST32_FMTo__ = "o";
pub const UINT_FAST32_FMTu__ = "u";
pub const UINT_FAST32_FMTx__ = "x";
pub const UINT_FAST32_FMTX__ = "X";
pub const __INT_LEAST64_TYPE__ = c_longlong;
pub const __INT_LEAST64_MAX__ = @as(c_longlong, 9223372036854775807);
pub const __INT_LEAST64_WIDTH__ = @as(c_int, 64);
pub const INT_LEAST64_FMTd__ = "lld";
pub const INT_LEAST64_FMTi__ = "lli";
pub const __UINT_LEAST64_TYPE__ = c_ulonglong;
pub const __UINT_LEAST64_MAX__ = @as(c_ulonglong, 18446744073709551615);
pub const UINT_LEAST64_FMTo__ = "llo";
pub const UINT_LEAST64_FMTu__ = "llu";
pub const UINT_LEAST64_FMTx__ = "llx";
pub const UINT_LEAST64_FMTX__ = "llX";
pub const __INT_FAST64_TYPE__ = c_longlong;
pub const __INT_FAST64_MAX__ = @as(c_longlong, 9223372036854775807);
pub const __INT_FAST64_WIDTH__ = @as(c_int, 64);
pub const INT_FAST64_FMTd__ = "lld";
pub const INT_FAST64_FMTi__ = "lli";
pub const __UINT_FAST64_TYPE__ = c_ulonglong;
pub const __UINT_FAST64_MAX__ = @as(c_ulonglong, 18446744073709551615);
pub const UINT_FAST64_FMTo__ = "llo";
pub const UINT_FAST64_FMTu__ = "llu";
pub const UINT_FAST64_FMTx__ = "llx";
pub const UINT_FAST64_FMTX__ = "llX";
pub const __FLT_DENORM_MIN__ = @as(f32, 1.40129846e-45);
pub const __FLT_HAS_DENORM__ = "";
pub const __FLT_DIG__ = @as(c_int, 6);
pub const __FLT_DECIMAL_DIG__ = @as(c_int, 9);
pub const __FLT_EPSILON__ = @as(f32, 1.19209290e-7);
pub const __FLT_HAS_INFINITY__ = "";
pub const __FLT_HAS_QUIET_NAN__ = "";
pub const __FLT_MANT_DIG__ = @as(c_int, 24);
pub const __FLT_MAX_10_EXP__ = @as(c_int, 38);
pub const __FLT_MAX_EXP__ = @as(c_int, 128);
pub const __FLT_MAX__ = @as(f32, 3.40282347e+38);
pub const __FLT_MIN_10_EXP__ = -@as(c_int, 37);
pub const __FLT_MIN_EXP__ = -@as(c_int, 125);
pub const __FLT_MIN__ = @as(f32, 1.17549435e-38);
pub const __DBL_DENORM_MIN__ = @as(f64, 4.9406564584124654e-324);
pub const __DBL_HAS_DENORM__ = "";
pub const __DBL_DIG__ = @as(c_int, 15);
pub const __DBL_DECIMAL_DIG__ = @as(c_int, 17);
pub const __DBL_EPSILON__ = @as(f64, 2.2204460492503131e-16);
pub const __DBL_HAS_INFINITY__ = "";
pub const __DBL_HAS_QUIET_NAN__ = "";
pub const __DBL_MANT_DIG__ = @as(c_int, 53);
pub const __DBL_MAX_10_EXP__ = @as(c_int, 308);
pub const __DBL_MAX_EXP__ = @as(c_int, 1024);
pub const __DBL_MAX__ = @as(f64, 1.7976931348623157e+308);
pub const __DBL_MIN_10_EXP__ = -@as(c_int, 307);
pub const __DBL_MIN_EXP__ = -@as(c_int, 1021);
pub const __DBL_MIN__ = @as(f64, 2.2250738585072014e-308);
pub const __LDBL_DENORM_MIN__ = @as(c_longdouble, 6.47517511943802511092443895822764655e-4966);
pub const __LDBL_HAS_DENORM__ = "";
pub const __LDBL_DIG__ = @as(c_int, 33);
pub const __LDBL_DECIMAL_DIG__ = @as(c_int, 36);
pub const __LDBL_EPSILON__ = @as(c_longdouble, 1.92592994438723585305597794258492732e-34);
pub const __LDBL_HAS_INFINITY__ = "";
pub const __LDBL_HAS_QUIET_NAN__ = "";
pub const __LDBL_MANT_DIG__ = @as(c_int, 113);
pub const __LDBL_MAX_10_EXP__ = @as(c_int, 4932);
pub const __LDBL_MAX_EXP__ = @as(c_int, 16384);
pub const __LDBL_MAX__ = @as(c_longdouble, 1.18973149535723176508575932662800702e+4932);
pub const __LDBL_MIN_10_EXP__ = -@as(c_int, 4931);
pub const __LDBL_MIN_EXP__ = -@as(c_int, 16381);
pub const __LDBL_MIN__ = @as(c_longdouble, 3.36210314311209350626267781732175260e-4932);
pub const __FLT_EVAL_METHOD__ = @as(c_int, 0);
pub const __FLT_RADIX__ = @as(c_int, 2);
pub const __DECIMAL_DIG__ = __LDBL_DECIMAL_DIG__;
pub const __BINDINGS_FAILED_LOGINS_H = "";
pub const __CLANG_STDINT_H = "";
pub const _STDINT_H = "";
pub const __NEED_int8_t = "";
pub const __NEED_int16_t = "";
pub const __NEED_int32_t = "";
pub const __NEED_int64_t = "";
pub const __NEED_uint8_t = "";
pub const __NEED_uint16_t = "";
pub const __NEED_uint32_t = "";
pub const __NEED_uint64_t = "";
pub const __NEED_intptr_t = "";
pub const __NEED_uintptr_t = "";
pub const __NEED_intmax_t = "";
pub const __NEED_uintmax_t = "";
pub const __BYTE_ORDER = __BYTE_ORDER__;
pub const __LONG_MAX = __LONG_MAX__;
pub const __LITTLE_ENDIAN = @as(c_int, 1234);
pub const __BIG_ENDIAN = @as(c_int, 4321);
pub const __USE_TIME_BITS64 = @as(c_int, 1);
pub const __DEFINED_uintptr_t = "";
pub const __DEFINED_intptr_t = "";
pub const __DEFINED_int8_t = "";
pub const __DEFINED_int16_t = "";
pub const __DEFINED_int32_t = "";
pub const __DEFINED_int64_t = "";
pub const __DEFINED_intmax_t = "";
pub const __DEFINED_uint8_t = "";
pub const __DEFINED_uint16_t = "";
pub const __DEFINED_uint32_t = "";
pub const __DEFINED_uint64_t = "";
pub const __DEFINED_uintmax_t = "";
pub const __wasilibc___struct_timeval_h = "";
pub const __wasilibc___typedef_time_t_h = "";
pub const __wasilibc___typedef_suseconds_t_h = "";
pub const __wasilibc___struct_timespec_h = "";
pub const __wasilibc___struct_iovec_h = "";
pub const __need_size_t = "";
pub const __STDC_VERSION_STDDEF_H__ = @as(c_long, 202311);
pub const NULL = __helpers.cast(?*anyopaque, @as(c_int, 0));
pub const offsetof = @compileError("unable to translate macro: undefined identifier `__builtin_offsetof`");
// zig/ziglang/lib/compiler/aro/include/stddef.h:18:9
pub const INT8_MIN = -@as(c_int, 1) - @as(c_int, 0x7f);
pub const INT16_MIN = -@as(c_int, 1) - @as(c_int, 0x7fff);
pub const INT32_MIN = -@as(c_int, 1) - __helpers.promoteIntLiteral(c_int, 0x7fffffff, .hex);
pub const INT64_MIN = -@as(c_int, 1) - __helpers.promoteIntLiteral(c_int, 0x7fffffffffffffff, .hex);
pub const INT8_MAX = @as(c_int, 0x7f);
pub const INT16_MAX = @as(c_int, 0x7fff);
pub const INT32_MAX = __helpers.promoteIntLiteral(c_int, 0x7fffffff, .hex);
pub const INT64_MAX = __helpers.promoteIntLiteral(c_int, 0x7fffffffffffffff, .hex);
pub const UINT8_MAX = @as(c_int, 0xff);
pub const UINT16_MAX = __helpers.promoteIntLiteral(c_int, 0xffff, .hex);
pub const UINT32_MAX = __helpers.promoteIntLiteral(c_uint, 0xffffffff, .hex);
pub const UINT64_MAX = __helpers.promoteIntLiteral(c_uint, 0xffffffffffffffff, .hex);
pub const INT_FAST8_MIN = INT8_MIN;
pub const INT_FAST64_MIN = INT64_MIN;
pub const INT_LEAST8_MIN = INT8_MIN;
pub const INT_LEAST16_MIN = INT16_MIN;
pub const INT_LEAST32_MIN = INT32_MIN;
pub const INT_LEAST64_MIN = INT64_MIN;
pub const INT_FAST8_MAX = INT8_MAX;
pub const INT_FAST64_MAX = INT64_MAX;
pub const INT_LEAST8_MAX = INT8_MAX;
pub const INT_LEAST16_MAX = INT16_MAX;
pub const INT_LEAST32_MAX = INT32_MAX;
pub const INT_LEAST64_MAX = INT64_MAX;
pub const UINT_FAST8_MAX = UINT8_MAX;
pub const UINT_FAST64_MAX = UINT64_MAX;
pub const UINT_LEAST8_MAX = UINT8_MAX;
pub const UINT_LEAST16_MAX = UINT16_MAX;
pub const UINT_LEAST32_MAX = UINT32_MAX;
pub const UINT_LEAST64_MAX = UINT64_MAX;
pub const INTMAX_MIN = INT64_MIN;
pub const INTMAX_MAX = INT64_MAX;
pub const UINTMAX_MAX = UINT64_MAX;
pub const WINT_MIN = @as(c_uint, 0);
pub const WINT_MAX = UINT32_MAX;
pub const WCHAR_MAX = __helpers.promoteIntLiteral(c_int, 0x7fffffff, .hex) + '\x00';
pub const WCHAR_MIN = (-@as(c_int, 1) - __helpers.promoteIntLiteral(c_int, 0x7fffffff, .hex)) + '\x00';
pub const SIG_ATOMIC_MIN = INT32_MIN;
pub const SIG_ATOMIC_MAX = INT32_MAX;
pub const INT_FAST16_MIN = INT16_MIN;
pub const INT_FAST32_MIN = INT32_MIN;
pub const INT_FAST16_MAX = INT16_MAX;
pub const INT_FAST32_MAX = INT32_MAX;
pub const UINT_FAST16_MAX = UINT16_MAX;
pub const UINT_FAST32_MAX = UINT32_MAX;
pub const INTPTR_MIN = INT32_MIN;
pub const INTPTR_MAX = INT32_MAX;
pub const UINTPTR_MAX = UINT32_MAX;
pub const PTRDIFF_MIN = INT32_MIN;
pub const PTRDIFF_MAX = INT32_MAX;
pub const SIZE_MAX = UINT32_MAX;
pub inline fn INT8_C(c: anytype) @TypeOf(c) {
    _ = &c;
    return c;
}
pub inline fn INT16_C(c: anytype) @TypeOf(c) {
    _ = &c;
    return c;
}
pub inline fn INT32_C(c: anytype) @TypeOf(c) {
    _ = &c;
    return c;
}
pub inline fn UINT8_C(c: anytype) @TypeOf(c) {
    _ = &c;
    return c;
}
pub inline fn UINT16_C(c: anytype) @TypeOf(c) {
    _ = &c;
    return c;
}
pub const UINT32_C = __helpers.U_SUFFIX;
pub const INT64_C = __helpers.LL_SUFFIX;
pub const UINT64_C = __helpers.ULL_SUFFIX;
pub const INTMAX_C = __helpers.LL_SUFFIX;
pub const UINTMAX_C = __helpers.ULL_SUFFIX;
pub const @"bool" = bool;
pub const @"true" = @as(c_int, 1);
pub const @"false" = @as(c_int, 0);
pub const __bool_true_false_are_defined = @as(c_int, 1);
pub const PORTCULLIS_POLICY_STORE_ERROR_UNAVAILABLE = @as(c_int, 0);
pub const PORTCULLIS_POLICY_STORE_ERROR_TOO_LARGE = @as(c_int, 1);
pub const PORTCULLIS_POLICY_STORE_ERROR_NOT_A_COUNTER = @as(c_int, 2);
pub const PORTCULLIS_POLICY_STORE_ERROR_OTHER = @as(c_int, 3);
pub const PORTCULLIS_POLICY_LOG_LEVEL_DEBUG = @as(c_int, 0);
pub const PORTCULLIS_POLICY_LOG_LEVEL_INFO = @as(c_int, 1);
pub const PORTCULLIS_POLICY_LOG_LEVEL_WARN = @as(c_int, 2);
pub const PORTCULLIS_POLICY_LOG_LEVEL_ERROR = @as(c_int, 3);
pub const PORTCULLIS_POLICY_TYPES_LOGIN_CAUSE_UNKNOWN_USER = @as(c_int, 0);
pub const PORTCULLIS_POLICY_TYPES_LOGIN_CAUSE_WRONG_PASSWORD = @as(c_int, 1);
pub const PORTCULLIS_POLICY_TYPES_LOGIN_CAUSE_EMPTY_PASSWORD = @as(c_int, 2);
pub const PORTCULLIS_POLICY_TYPES_LOGIN_CAUSE_FORBIDDEN_USER = @as(c_int, 3);
pub const PORTCULLIS_POLICY_TYPES_LOGIN_CAUSE_ANONYMOUS_REFUSED = @as(c_int, 4);
pub const PORTCULLIS_POLICY_TYPES_LOGIN_CAUSE_DENIED_BY_RULE = @as(c_int, 5);
pub const PORTCULLIS_POLICY_TYPES_LOGIN_CAUSE_CERTIFICATE_REFUSED = @as(c_int, 6);
pub const PORTCULLIS_POLICY_TYPES_DIRECTION_UPLOAD = @as(c_int, 0);
pub const PORTCULLIS_POLICY_TYPES_DIRECTION_DOWNLOAD = @as(c_int, 1);
pub const PORTCULLIS_POLICY_TYPES_DIRECTION_LISTING = @as(c_int, 2);
pub const PORTCULLIS_POLICY_TYPES_TRANSFER_RESULT_COMPLETE = @as(c_int, 0);
pub const PORTCULLIS_POLICY_TYPES_TRANSFER_RESULT_ABORTED = @as(c_int, 1);
pub const PORTCULLIS_POLICY_TYPES_TRANSFER_RESULT_TIMED_OUT = @as(c_int, 2);
pub const PORTCULLIS_POLICY_TYPES_TRANSFER_RESULT_REFUSED = @as(c_int, 3);
pub const PORTCULLIS_POLICY_TYPES_TRANSFER_RESULT_FAILED = @as(c_int, 4);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_CONNECT = @as(c_int, 0);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_TLS_ESTABLISHED = @as(c_int, 1);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_TLS_FAILED = @as(c_int, 2);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_LOGIN_ATTEMPT = @as(c_int, 3);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_LOGIN_SUCCEEDED = @as(c_int, 4);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_LOGIN_FAILED = @as(c_int, 5);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_COMMAND = @as(c_int, 6);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_COMMAND_UNKNOWN = @as(c_int, 7);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_PROTOCOL_MISMATCH = @as(c_int, 8);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_TRANSFER_STARTED = @as(c_int, 9);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_TRANSFER_ENDED = @as(c_int, 10);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_TIMEOUT = @as(c_int, 11);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_LIMIT_REACHED = @as(c_int, 12);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_DISCONNECTED = @as(c_int, 13);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_CUSTOM = @as(c_int, 14);
pub const PORTCULLIS_POLICY_TYPES_EVENT_KIND_OTHER = @as(c_int, 15);
pub const PORTCULLIS_POLICY_TYPES_SUBJECT_HOST = @as(c_int, 0);
pub const PORTCULLIS_POLICY_TYPES_SUBJECT_NETWORK = @as(c_int, 1);
pub const PORTCULLIS_POLICY_TYPES_SUBJECT_USER = @as(c_int, 2);
pub const PORTCULLIS_POLICY_TYPES_SUBJECT_USER_AT_HOST = @as(c_int, 3);
pub const PORTCULLIS_POLICY_TYPES_SUBJECT_CLASS = @as(c_int, 4);
pub const PORTCULLIS_POLICY_TYPES_SUBJECT_CLIENT_CERTIFICATE = @as(c_int, 5);
pub const PORTCULLIS_POLICY_TYPES_SUBJECT_TLS_FINGERPRINT = @as(c_int, 6);
pub const PORTCULLIS_POLICY_TYPES_REACH_NODE = @as(c_int, 0);
pub const PORTCULLIS_POLICY_TYPES_REACH_SITE = @as(c_int, 1);
pub const PORTCULLIS_POLICY_TYPES_REACH_EVERYWHERE = @as(c_int, 2);
pub const PORTCULLIS_POLICY_TYPES_DECISION_PASS = @as(c_int, 0);
pub const PORTCULLIS_POLICY_TYPES_DECISION_ALLOW = @as(c_int, 1);
pub const PORTCULLIS_POLICY_TYPES_DECISION_REFUSE = @as(c_int, 2);
pub const timeval = struct_timeval;
pub const timespec = struct_timespec;
pub const iovec = struct_iovec;
