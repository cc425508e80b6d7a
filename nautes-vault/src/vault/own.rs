//! Requests that the library lacks, or reads more strictly than servers answer.

use std::collections::BTreeMap;

use rustify::endpoint::Endpoint;
use rustify::enums::{RequestMethod, RequestType, ResponseType};
use rustify::errors::ClientError;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::marker::PhantomData;

/// One request with a JSON body.
pub(super) struct Own<T> {
    method: RequestMethod,
    path: String,
    body: Option<Value>,
    answer: PhantomData<fn() -> T>,
}

impl<T> Own<T> {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(RequestMethod::GET, path.into(), None)
    }

    pub(super) fn post(path: impl Into<String>, body: Value) -> Self {
        Self::new(RequestMethod::POST, path.into(), Some(body))
    }

    pub(super) fn delete(path: impl Into<String>) -> Self {
        Self::new(RequestMethod::DELETE, path.into(), None)
    }

    const fn new(method: RequestMethod, path: String, body: Option<Value>) -> Self {
        Self {
            method,
            path,
            body,
            answer: PhantomData,
        }
    }
}

impl<T: DeserializeOwned + Send + Sync> Endpoint for Own<T> {
    type Response = T;
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        self.path.clone()
    }

    fn method(&self) -> RequestMethod {
        self.method.clone()
    }

    fn body(&self) -> Result<Option<Vec<u8>>, ClientError> {
        let body = self.body.as_ref().map(serde_json::to_vec).transpose();
        body.map_err(|error| ClientError::DataParseError { source: error.into() })
    }
}

/// What is mounted at a path.
#[derive(Deserialize)]
pub(super) struct Mounted {
    /// The type, for example `kv` or `kubernetes`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Options, for example the version of a KV engine.
    #[serde(default)]
    pub(super) options: Option<BTreeMap<String, String>>,
}
