//! Reading the files of a request.

use std::collections::BTreeMap;

use nautes_model::layout;
use nautes_model::manifest::{self, Context, Form, Parsed};
use nautes_model::name::ProductName;
use nautes_model::{Finding, Sourced};

use crate::error::ApiError;
use crate::wire::ApplyRequest;

/// The most files in one request.
const FILES: usize = 20_000;
/// The most resources in one request.
const RESOURCES: usize = 50_000;

/// What a request holds.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// The resources of the documents without errors.
    pub(crate) resources: Vec<Sourced>,
    /// What is wrong with the others.
    pub(crate) findings: Vec<Finding>,
    /// What was converted, by resource.
    pub(crate) notes: BTreeMap<String, Vec<String>>,
}

impl Input {
    /// Reads all files.
    ///
    /// # Errors
    /// There is nothing in them at all, or too much. What is wrong with a document is a finding.
    pub(crate) fn read(request: &ApplyRequest) -> Result<Self, ApiError> {
        let product = request
            .product
            .as_deref()
            .filter(|text| !text.is_empty())
            .map(ProductName::new)
            .transpose()
            .map_err(|e| ApiError::malformed(e.to_string()))?;
        if request.files.len() > FILES {
            return Err(ApiError::malformed(format!(
                "{} files, {FILES} are allowed",
                request.files.len()
            )));
        }
        let mut input = Self::default();
        for file in &request.files {
            let context = Context::new(&file.name, Form::Request).product(product.as_ref());
            input.add(manifest::parse(&file.text, &context));
            if input.resources.len() > RESOURCES {
                return Err(ApiError::malformed(format!(
                    "more than {RESOURCES} resources in one request"
                )));
            }
        }
        input.refuse_repetitions();
        if input.resources.is_empty() && input.findings.is_empty() {
            return Err(ApiError::malformed("the request holds no manifests"));
        }
        Ok(input)
    }

    /// Takes what was read.
    pub(crate) fn of(parsed: Parsed) -> Self {
        let mut input = Self::default();
        input.add(parsed);
        input
    }

    fn add(&mut self, parsed: Parsed) {
        for resource in &parsed.resources {
            if !resource.notes.is_empty() {
                self.notes
                    .entry(resource.identity.to_string())
                    .or_default()
                    .extend(resource.notes.clone());
            }
        }
        if let Some(catalogue) = &parsed.catalogue {
            let message = "a catalogue is not applied";
            let finding = Finding::error(manifest::rule::KIND, &catalogue.file, message);
            let hint = format!("push it to the tenant repository as {}", layout::CATALOGUE);
            self.findings.push(finding.field("kind").hint(hint));
        }
        self.resources.extend(parsed.resources);
        self.findings.extend(parsed.findings);
    }

    /// The same resource in two files: the reader sees one file at a time.
    fn refuse_repetitions(&mut self) {
        let mut seen = BTreeMap::new();
        let mut kept = Vec::with_capacity(self.resources.len());
        for resource in std::mem::take(&mut self.resources) {
            if let Some(first) = seen.get(&resource.identity) {
                let position = manifest::locate(&resource.source, "metadata.name");
                self.findings.push(
                    Finding::error(
                        manifest::rule::DUPLICATE,
                        &resource.source.file,
                        format!("{} is declared in {first} already", resource.identity),
                    )
                    .at(position)
                    .about(resource.identity.clone())
                    .hint("keep one of the two"),
                );
            } else {
                seen.insert(
                    resource.identity.clone(),
                    format!("{}:{}", resource.source.file, resource.source.line),
                );
                kept.push(resource);
            }
        }
        self.resources = kept;
    }
}
