//! Envoy's protobuf messages and services: the subset that Tollgate speaks, generated from `proto/` by
//! `cargo xtask generate` and committed. Knows nothing of Tollgate.

/// The packages as protobuf names them: generated code refers to itself by these paths.
mod packages {
    pub mod envoy {
        pub mod config {
            pub mod core {
                pub mod v3 {
                    include!("generated/envoy.config.core.v3.rs");
                }
            }
        }
        pub mod service {
            pub mod auth {
                pub mod v3 {
                    include!("generated/envoy.service.auth.v3.rs");
                }
            }
        }
        pub mod r#type {
            pub mod v3 {
                include!("generated/envoy.r#type.v3.rs");
            }
        }
    }
    pub mod google {
        pub mod rpc {
            include!("generated/google.rpc.rs");
        }
    }
}

/// `envoy.service.auth`: external authorization.
pub use packages::envoy::service::auth;
/// `google.rpc`.
pub use packages::google::rpc;

/// `envoy.config.core`: headers and addresses.
pub use packages::envoy::config::core;
/// `envoy.type`: small types.
pub use packages::envoy::r#type as types;

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use crate::auth::v3::{
        CheckResponse, DeniedHttpResponse, attribute_context::HttpRequest, check_response::HttpResponse,
    };
    use crate::core::v3::{HeaderMap, HeaderValue};
    use crate::rpc::Status;
    use crate::types::v3::HttpStatus;

    /// Field numbers are the contract; these bytes were written by hand from Envoy's files.
    #[test]
    fn the_wire_is_envoys() {
        let line = HeaderValue { key: "a".into(), raw_value: b"\xff".to_vec(), ..HeaderValue::default() };
        let request = HttpRequest {
            method: "GET".into(),
            raw_body: b"x".to_vec(),
            header_map: Some(HeaderMap { headers: vec![line] }),
            ..HttpRequest::default()
        };
        let expected = b"\x12\x03GET\x62\x01x\x6a\x08\x0a\x06\x0a\x01a\x1a\x01\xff";
        assert_eq!(request.encode_to_vec(), expected);

        let response = CheckResponse {
            status: Some(Status { code: 7, ..Status::default() }),
            http_response: Some(HttpResponse::DeniedResponse(DeniedHttpResponse {
                status: Some(HttpStatus { code: 403 }),
                headers: vec![],
                body: "no".into(),
            })),
            dynamic_metadata: None,
        };
        assert_eq!(response.encode_to_vec(), b"\x0a\x02\x08\x07\x12\x09\x0a\x03\x08\x93\x03\x1a\x02no");
    }

    /// Why nothing but a constructor may build a response.
    #[test]
    fn an_empty_response_has_no_bytes_and_means_allow() {
        assert!(CheckResponse::default().encode_to_vec().is_empty());
    }
}
