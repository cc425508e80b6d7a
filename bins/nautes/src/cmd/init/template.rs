//! The files that `init` writes.

use nautes_model::kind::API_VERSION;
use nautes_model::layout::TENANT_ROOT;

/// What the files are about; every text is checked, and may stand in YAML as it is.
pub(super) struct Names {
    pub(super) product: String,
    pub(super) project: String,
    pub(super) language: String,
    pub(super) cluster: String,
    pub(super) environment: String,
    pub(super) pipeline_cluster: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) repo_url: Option<String>,
    pub(super) forge: String,
}

/// A manifest: its comment, kind, name and spec.
fn manifest(comment: &str, kind: &str, name: &str, spec: &str) -> String {
    let comment: String = comment.lines().map(|line| format!("# {line}\n")).collect();
    let spec: String = spec
        .trim_matches('\n')
        .lines()
        .map(|line| format!("{line}\n"))
        .collect();
    format!("{comment}apiVersion: {API_VERSION}\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n{spec}")
}

/// The files of a product, by path in its `default.project`.
pub(super) fn product(names: &Names) -> Vec<(String, String)> {
    let Names {
        product,
        project,
        language,
        cluster,
        environment,
        ..
    } = names;
    let deploy = format!("{project}-deploy");
    let mut files = vec![
        ("README.md".to_owned(), readme(names)),
        (
            "product.yaml".to_owned(),
            manifest(
                "The product: a group of this name on the Git platform. This file is for `nautes apply`, which registers\n\
                 the product with the tenant; all others are kept in the product's own repository, default.project.",
                "Product",
                product,
                &format!(
                    "  # The path of the group; the product's name is the usual choice.\n  name: {product}\n  git:\n    \
                     gitlab:\n      # private, internal or public\n      visibility: private\n  \
                     # What becomes of the group when the product is removed: archive or delete.\n  retention: archive"
                ),
            ),
        ),
        (
            format!("projects/{project}/{project}.yaml"),
            manifest(
                "A project: one microservice of the product. Repositories, runtimes and permissions name it.",
                "Project",
                project,
                &format!("  product: {product}\n  language: {language}"),
            ),
        ),
        (
            format!("envs/{environment}.yaml"),
            manifest(
                "An environment: a stage of the product on a runtime cluster that the tenant has registered.\n\
                     `nautes get clusters` lists the clusters that there are.",
                "Environment",
                environment,
                &format!(
                    "  product: {product}\n  cluster: {cluster}\n  # Free text for people: dev, test, production.\n  \
                     envType: {environment}"
                ),
            ),
        ),
        (
            format!("code-repos/{deploy}/{deploy}.yaml"),
            code_repo(
                names,
                "The repository that says what runs: Kubernetes manifests, plain or with kustomize.",
                &deploy,
                "  deploymentRuntime: true",
                names.repo_url.as_deref(),
            ),
        ),
        (
            format!("runtimes/{project}.yaml"),
            manifest(
                "A deployment: what stands in a folder of a repository runs in namespaces of an environment, and follows\n\
                 every push.",
                "DeploymentRuntime",
                project,
                &format!(
                    "  product: {product}\n  projectsRef:\n    - {project}\n  manifestSource:\n    codeRepo: {deploy}\n    \
                     # A branch, a tag or a commit.\n    targetRevision: main\n    path: deployments\n  destination:\n    \
                     environment: {environment}\n    # Namespaces are unique in a cluster: begin with the product's name.\n    \
                     namespaces:\n      - {product}-{project}"
                ),
            ),
        ),
    ];
    if let Some(cluster) = &names.pipeline_cluster {
        files.extend(pipelines(names, cluster));
    }
    files
}

fn code_repo(names: &Names, comment: &str, name: &str, uses: &str, url: Option<&str>) -> String {
    let Names {
        product,
        project,
        provider,
        ..
    } = names;
    let provider = provider
        .as_ref()
        .map_or_else(String::new, |p| format!("  codeRepoProvider: {p}\n"));
    let url = url.map_or_else(String::new, |url| {
        format!("  # Takes the place of the URL that the Git platform gives.\n  url: {url}\n")
    });
    manifest(
        comment,
        "CodeRepo",
        name,
        &format!(
            "  product: {product}\n  # The project that owns it may write to it; others need a CodeRepoBinding.\n  \
             project: {project}\n{provider}{url}{uses}\n  git:\n    gitlab:\n      visibility: private\n  retention: archive"
        ),
    )
}

/// What pipelines need beside the rest.
fn pipelines(names: &Names, cluster: &str) -> Vec<(String, String)> {
    let Names { product, project, .. } = names;
    let (source, pipeline) = (format!("{project}-source"), format!("{project}-pipeline"));
    let runtime = format!("{project}-build");
    vec![
        (
            "envs/build.yaml".to_owned(),
            manifest(
                "Where pipelines run. A product has one environment on a cluster.",
                "Environment",
                "build",
                &format!("  product: {product}\n  cluster: {cluster}\n  envType: build"),
            ),
        ),
        (
            format!("code-repos/{source}/{source}.yaml"),
            code_repo(
                names,
                "The source of the project. Its pushes are reported, so that pipelines can start.",
                &source,
                "  pipelineRuntime: true\n  webhook:\n    events:\n      - push_events",
                None,
            ),
        ),
        (
            format!("code-repos/{pipeline}/{pipeline}.yaml"),
            code_repo(
                names,
                "The pipelines of the project, as files.",
                &pipeline,
                "  pipelineRuntime: true",
                None,
            ),
        ),
        (
            format!("projects/{project}/{runtime}.yaml"),
            manifest(
                "Pipelines: which events of which repository start what.",
                "ProjectPipelineRuntime",
                &runtime,
                &format!(
                    "  product: {product}\n  project: {project}\n  # The repository in which the pipelines are.\n  \
                     pipelineSource: {pipeline}\n  pipelines:\n    - name: main\n      path: pipelines/main.yaml\n  \
                     destination:\n    environment: build\n    namespace: {product}-{runtime}\n  eventSources:\n    \
                     - name: push\n      gitlab:\n        repoName: {source}\n        revision: main\n        events:\n          \
                     - push_events\n  pipelineTriggers:\n    - eventSource: push\n      pipeline: main\n      revision: main"
                ),
            ),
        ),
    ]
}

fn readme(names: &Names) -> String {
    let Names {
        product,
        project,
        cluster,
        ..
    } = names;
    format!(
        "# {product}\n\nWhat the product {product} declares to Nautes. Every file is one resource; `nautes explain KIND` says what its\n\
         fields mean.\n\n\
         | file | what it says |\n|---|---|\n\
         | `product.yaml` | the product itself; kept by the tenant |\n\
         | `projects/` | microservices, and the pipelines of each |\n\
         | `envs/` | stages, each on a cluster |\n\
         | `code-repos/` | repositories, and who else may use them |\n\
         | `runtimes/` | what is deployed where |\n\n\
         The project `{project}` is deployed to the cluster `{cluster}`.\n\n\
         ```console\n$ nautes validate -f .      # judges it offline\n$ nautes plan -f .          # asks the server what it would do\n\
         $ nautes apply -f . --wait  # commits it\n```\n"
    )
}

/// The files of a tenant.
pub(super) fn tenant(names: &Names) -> Vec<(String, String)> {
    let Names {
        product: provider,
        cluster,
        forge,
        ..
    } = names;
    let host = forge.trim_matches(['"', '\'']).trim_end_matches('/');
    let bare = host.split_once("://").map_or(host, |(_, rest)| rest);
    let pipelines = names.pipeline_cluster.as_deref().unwrap_or("build");
    vec![
        (
            format!("{TENANT_ROOT}/code-repo-providers/{provider}.yaml"),
            manifest(
                "The Git platform on which products and their repositories are.",
                "CodeRepoProvider",
                provider,
                &format!(
                    "  providerType: gitlab\n  httpAddress: {host}\n  sshAddress: ssh://git@{bare}\n  apiServer: {host}"
                ),
            ),
        ),
        (
            format!("{TENANT_ROOT}/clusters/{cluster}.yaml"),
            worker(
                "A cluster to which products are deployed.\n\
                 `nautes apply` also takes a field `kubeconfig`, which goes to the secret store and never to Git.",
                cluster,
                "deployment",
                "",
            ),
        ),
        (
            format!("{TENANT_ROOT}/clusters/{pipelines}.yaml"),
            worker(
                "A cluster on which pipelines run.",
                pipelines,
                "pipeline",
                "    pipeline:\n      name: tekton\n      namespace: tekton-pipelines\n    eventListener:\n      name: webhook\n      \
                 namespace: nautes\n",
            ),
        ),
    ]
}

fn worker(comment: &str, name: &str, type_: &str, more: &str) -> String {
    manifest(
        comment,
        "Cluster",
        name,
        &format!(
            "  # Where its API server answers.\n  apiServer: https://{name}.example.org:6443\n  clusterKind: kubernetes\n  \
             # physical, or virtual with a hostCluster\n  clusterType: physical\n  usage: worker\n  workerType: {type_}\n  # Names of services are made below it.\n  primaryDomain: {name}.example.org\n  \
             # What does the work there; `nautes explain cluster.spec.componentsList` names the slots.\n  componentsList:\n    \
             multiTenant:\n      name: namespaces\n      namespace: nautes\n    deployment:\n      name: direct\n      \
             namespace: nautes\n    secretSync:\n      name: direct\n      namespace: nautes\n{more}"
        ),
    )
}
