//! What there is to say about one operation: everything about it stands here once, and is read by the router, the
//! gate, the descriptions and the tests.

use std::sync::Arc;

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use nautes_model::Kind;
use nautes_model::name::ProductName;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::answer::{self, Header};
use crate::app::App;
use crate::policy::Action;

/// The form of a value. Made into a schema, it adds the types that it uses to the definitions of the generator.
#[derive(Clone)]
pub struct Form(Arc<dyn Fn(&mut SchemaGenerator) -> Schema + Send + Sync>);

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Form")
    }
}

impl Form {
    /// The form of the values of a type.
    #[must_use]
    pub fn of<T: JsonSchema + 'static>() -> Self {
        Self::made(SchemaGenerator::subschema_for::<T>)
    }

    /// A form that no type has.
    pub fn made(make: impl Fn(&mut SchemaGenerator) -> Schema + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// Makes the schema.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.0)(generator)
    }
}

/// A group of operations in the descriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tag {
    /// Many resources in one request.
    Changes,
    /// What is live.
    Live,
    /// Who may use what.
    Access,
    /// What was declared, what would be, and what it means.
    Insight,
    /// Clusters of the tenant.
    Clusters,
    /// Products.
    Products,
    /// Resources of a product.
    Resources,
    /// Who calls.
    Caller,
    /// For machines and readers of this description.
    Server,
}

impl Tag {
    /// Every group, in the order in which they are described.
    pub const ALL: &[Self] = &[
        Self::Changes,
        Self::Live,
        Self::Access,
        Self::Insight,
        Self::Clusters,
        Self::Products,
        Self::Resources,
        Self::Caller,
        Self::Server,
    ];

    /// Returns the name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Changes => "Changes",
            Self::Live => "What is live",
            Self::Access => "Who may use what",
            Self::Insight => "Graph, history and rules",
            Self::Clusters => "Clusters",
            Self::Products => "Products",
            Self::Resources => "Resources of a product",
            Self::Caller => "Caller",
            Self::Server => "Server",
        }
    }

    /// Returns what the group is for.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Changes => {
                "Many resources of any kinds in one request, judged as a whole: one commit on each repository that \
                 it touches."
            }
            Self::Live => "What became of what is declared, and what is not yet as declared.",
            Self::Access => "Who may use which repository, and because of what.",
            Self::Insight => {
                "How what is declared hangs together, who changed it, what a change means, and what kinds and rules say."
            }
            Self::Clusters => "Clusters of the tenant, one at a time.",
            Self::Products => "Products, one at a time.",
            Self::Resources => "What a product consists of, one at a time.",
            Self::Caller => "Who calls, as the forge knows him.",
            Self::Server => "The server itself. Nobody is asked for a token here.",
        }
    }
}

/// What a caller needs before the handler runs. Where the path decides, the body is not even read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: nobody is asked who he is.
    Public,
    /// A token of any user of the forge; the answer shows what this user may see.
    Caller,
    /// What an action on what belongs to the tenant takes.
    Tenant(Action),
    /// What an action on the product that `{product}` names takes.
    Product(Action),
    /// What reading, saving or removing the resource of a kind takes that `{product}` and `{name}` name.
    Resource(Kind, Access),
    /// A token of any user; then what changing or removing each resource of the body takes, before anything is done.
    Each,
}

/// What is done with one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is read.
    Read,
    /// It is created where there is none, and changed where there is one.
    Save,
    /// It is removed.
    Remove,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In a header.
    Header,
}

impl Place {
    /// Returns the word that OpenAPI has for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
        }
    }
}

/// A parameter of an operation.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The name; parameters of the query are also understood in camelCase.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What it does.
    pub description: &'static str,
    /// What it is where it is not given.
    pub default: Option<&'static str>,
    /// A value that works in the examples.
    pub example: Option<&'static str>,
    /// The form of its values.
    pub schema: Form,
}

impl Parameter {
    /// A part of the path.
    #[must_use]
    pub fn path<T: JsonSchema + 'static>(
        name: &'static str,
        description: &'static str,
        example: &'static str,
    ) -> Self {
        Self {
            example: Some(example),
            ..Self::new::<T>(name, Place::Path, description)
        }
    }

    /// The product of the path.
    #[must_use]
    pub fn product() -> Self {
        let description = "The name of the product, or the path of its group where no other has it.";
        Self::path::<ProductName>("product", description, "shop")
    }

    /// A parameter of the query.
    #[must_use]
    pub fn query<T: JsonSchema + 'static>(name: &'static str, description: &'static str) -> Self {
        Self::new::<T>(name, Place::Query, description)
    }

    /// A header.
    #[must_use]
    pub fn header<T: JsonSchema + 'static>(name: &'static str, description: &'static str) -> Self {
        Self::new::<T>(name, Place::Header, description)
    }

    fn new<T: JsonSchema + 'static>(name: &'static str, place: Place, description: &'static str) -> Self {
        Self {
            name,
            place,
            description,
            default: None,
            example: None,
            schema: Form::of::<T>(),
        }
    }

    /// Says what it is where it is not given.
    #[must_use]
    pub const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    /// Gives a value that works in the examples.
    #[must_use]
    pub const fn example(mut self, value: &'static str) -> Self {
        self.example = Some(value);
        self
    }
}

/// The body of a request.
#[derive(Clone, Debug)]
pub struct Body {
    /// The media types, and the form of each.
    pub content: Vec<(&'static str, Form)>,
    /// A body of the first media type that works.
    pub example: Value,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// When it is given.
    pub description: &'static str,
    /// The media type and the form of the body; `None` without a body.
    pub content: Option<(&'static str, Form)>,
}

/// One operation of the API.
#[derive(Clone)]
pub struct Operation {
    /// The method.
    pub method: Method,
    /// The path, with `{name}` for its parameters.
    pub path: String,
    /// The id, in camelCase: `listClusters`.
    pub id: String,
    /// The group.
    pub tag: Tag,
    /// What it does, in one line without a full stop.
    pub summary: String,
    /// More about it.
    pub description: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// The body, where it takes one.
    pub body: Option<Body>,
    /// The answers where it succeeds. Those where it does not follow from the rest: see [`Operation::errors`].
    pub replies: Vec<Reply>,
    /// What a caller needs.
    pub needs: Needs,
    /// Whether it may change what is declared.
    pub writes: bool,
    /// Whether parameters of the query that it does not know are ignored, as the Go version does, and not refused.
    pub lenient: bool,
    /// Whether what it reads has a revision, which its answers name.
    pub tagged: bool,
    pub(crate) handler: MethodRouter<App>,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation")
            .field("id", &self.id)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

impl Operation {
    /// An operation that reads.
    pub(crate) fn get<H, T>(path: &str, id: &str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        Self::new(Method::GET, MethodFilter::GET, path, id, needs, handler)
    }

    /// An operation that takes a body.
    pub(crate) fn post<H, T>(path: &str, id: &str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        Self::new(Method::POST, MethodFilter::POST, path, id, needs, handler)
    }

    /// An operation that removes; it writes.
    pub(crate) fn delete<H, T>(path: &str, id: &str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        Self::new(Method::DELETE, MethodFilter::DELETE, path, id, needs, handler).writes()
    }

    fn new<H, T>(method: Method, filter: MethodFilter, path: &str, id: &str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        Self {
            method,
            path: path.to_owned(),
            id: id.to_owned(),
            tag: Tag::Server,
            summary: String::new(),
            description: String::new(),
            parameters: Vec::new(),
            body: None,
            replies: Vec::new(),
            needs,
            writes: false,
            lenient: false,
            tagged: false,
            handler: on(filter, handler),
        }
    }

    /// Says what it does.
    pub(crate) fn says(
        mut self,
        tag: Tag,
        summary: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        self.tag = tag;
        self.summary = summary.into();
        self.description = description.into();
        self
    }

    /// Adds a parameter.
    pub(crate) fn with(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Adds parameters.
    pub(crate) fn with_all(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// Says that it may change what is declared.
    pub(crate) fn writes(mut self) -> Self {
        self.writes = true;
        self.with(Parameter::header::<String>(
            "Idempotency-Key",
            "A text of the client's, new for each request: the same request under the same key is done once, and answered \
             again as before, for a day. Dry runs ignore it.",
        ))
        .with(Parameter::header::<String>(
            "If-Match",
            "The `ETag` of what was read: the revision on which the change must land.",
        ))
    }

    /// Says that unknown parameters of the query are ignored.
    pub(crate) const fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Takes a body of a type, as JSON.
    pub(crate) fn takes<T: JsonSchema + 'static>(self, example: Value) -> Self {
        self.takes_made(Form::of::<T>(), example)
    }

    /// Takes a body, as JSON.
    pub(crate) fn takes_made(mut self, schema: Form, example: Value) -> Self {
        self.body = Some(Body {
            content: vec![(JSON, schema)],
            example,
        });
        self
    }

    /// Takes the body in another media type as well, as text.
    pub(crate) fn or_text(mut self, media: &'static str) -> Self {
        if let Some(body) = &mut self.body {
            body.content.push((media, Form::of::<String>()));
        }
        self
    }

    /// Answers with a value of a type, as JSON.
    pub(crate) fn replies<T: JsonSchema + 'static>(self, status: u16, description: &'static str) -> Self {
        self.replies_made(status, description, JSON, Form::of::<T>())
    }

    /// Answers with a body of a media type.
    pub(crate) fn replies_made(
        mut self,
        status: u16,
        description: &'static str,
        media: &'static str,
        schema: Form,
    ) -> Self {
        self.replies.push(Reply {
            status,
            description,
            content: Some((media, schema)),
        });
        self
    }

    /// Says that answers of success name the revision of what was read.
    pub(crate) const fn tagged(mut self) -> Self {
        self.tagged = true;
        self
    }

    /// Returns the headers of its answers of a status, beside those of every answer.
    #[must_use]
    pub fn headers(&self, status: u16) -> Vec<Header> {
        let mut all = answer::of_failure(status).to_vec();
        if status == 200 {
            all.extend(self.tagged.then_some(answer::ETAG));
            all.extend(self.writes.then_some(answer::REPLAYED));
        }
        all
    }

    /// Answers with text of a media type.
    pub(crate) fn replies_text(self, status: u16, description: &'static str, media: &'static str) -> Self {
        self.replies_made(status, description, media, Form::of::<String>())
    }

    /// Returns the statuses of failure that it can have, and when.
    #[must_use]
    pub fn errors(&self) -> Vec<(u16, &'static str)> {
        let names = self
            .parameters
            .iter()
            .any(|p| matches!(p.place, Place::Path | Place::Query));
        let public = self.needs == Needs::Public;
        let of_something = !matches!(self.needs, Needs::Public | Needs::Caller);
        let asks = self.parameters.iter().any(|p| p.place == Place::Query);
        let body = self.body.is_some();
        ERRORS
            .iter()
            .filter(|(status, _)| match status {
                400 => names || body,
                401 | 503 => !public,
                403 => of_something,
                // Whoever asks for something may ask for what is not there.
                404 => of_something || !public && (asks || self.path.contains('{')),
                408 | 413 => body || self.writes,
                // Whoever sends resources may call them by what means several, or by what a broken file declares.
                409 => self.writes || self.needs == Needs::Each && body,
                412 | 422 => self.writes,
                _ => true,
            })
            .copied()
            .collect()
    }
}

/// The media type of nearly everything.
pub const JSON: &str = "application/json";

/// What failures mean, by status.
pub(crate) const ERRORS: &[(u16, &str)] = &[
    (
        400,
        "The request cannot be read; every fault that was found is listed.",
    ),
    (401, "There is no token, or it is nobody's."),
    (403, "The caller may see what this is about, and may not do this."),
    (404, "There is no such thing, or the caller may not see it."),
    (
        408,
        "The body did not arrive in time; nothing was done. A head that does not arrive in time gets no answer: the \
         connection is closed.",
    ),
    (
        409,
        "Others kept being faster (`metadata.moved`), what shall go is still referred to (the findings list by what), what \
         is meant cannot be told (a path that several have, or a file that cannot be read), or the request is being worked \
         on already.",
    ),
    (
        412,
        "A repository is not at the expected revision, or not that would be done which was shown; `metadata` says what is \
         there.",
    ),
    (413, "The body is too large."),
    (422, "Rules are broken; every finding is listed."),
    (
        429,
        "Too many requests at once; `Retry-After` says when to come back.",
    ),
    (500, "A fault of the server; its details are in its log."),
    (
        503,
        "The forge, the secret store or the tenant cluster does not answer; `Retry-After` says when to come back.",
    ),
    (
        504,
        "The request had arrived, and it took too long to do; the same request again is safe.",
    ),
];
