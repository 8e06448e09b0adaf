//! The contract as wit-bindgen spells it in Rust. Both worlds share the types of the first.

/// World `ban-policy`.
pub mod ban {
    wit_bindgen::generate!({
        path: "../../wit/0.1.0",
        world: "ban-policy",
        pub_export_macro: true,
        export_macro_name: "export_ban_guest",
        default_bindings_module: "portcullis_sdk::bindings::ban",
        additional_derives: [PartialEq],
        generate_all,
    });
}

/// World `key-policy`.
pub mod keys {
    wit_bindgen::generate!({
        path: "../../wit/0.1.0",
        world: "key-policy",
        pub_export_macro: true,
        export_macro_name: "export_key_guest",
        default_bindings_module: "portcullis_sdk::bindings::keys",
        with: { "portcullis:policy/types@0.1.0": super::ban::portcullis::policy::types },
        additional_derives: [PartialEq],
    });
}
