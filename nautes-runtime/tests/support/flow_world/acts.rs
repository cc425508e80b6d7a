//! What people do.

use nautes_gitops::host::{GroupSpec, RepoSpec};
use nautes_gitops::repo::{CommitSpec, Signature};
use nautes_gitops::{Author, ChangeSet, Oid, RepoPath, RepoRef, Target};
use nautes_model::Resource;
use nautes_model::kinds::product::Registration;

use super::{World, identity, parse};

impl World {
    pub(crate) async fn publish_tenant(&self, resources: Vec<Resource>) {
        let change = ChangeSet {
            upserts: resources,
            ..ChangeSet::default()
        };
        self.publish(&RepoRef::Tenant, change).await;
    }

    /// Commits a bundle as the API does: the product is made and registered first.
    pub(crate) async fn save(&self, bundle: &str) -> Option<Oid> {
        let (products, rest): (Vec<_>, Vec<_>) = parse(bundle)
            .into_iter()
            .partition(|r| matches!(r, Resource::Product(_)));
        for resource in products {
            let Resource::Product(mut product) = resource else {
                unreachable!()
            };
            let group = product.spec.name.clone();
            product.spec.registration = Some(self.make_product(&group).await);
            self.publish_tenant(vec![Resource::Product(product)]).await;
        }
        let product = rest.first()?.declared_product()?.to_owned();
        self.declare(&product, rest).await
    }

    /// Commits resources of a product.
    pub(crate) async fn declare(&self, product: &str, upserts: Vec<Resource>) -> Option<Oid> {
        let change = ChangeSet {
            upserts,
            ..ChangeSet::default()
        };
        self.publish(&RepoRef::Product(product.parse().unwrap()), change)
            .await
    }

    async fn make_product(&self, group: &str) -> Registration {
        let hand = self.forge.hand().await;
        let spec = GroupSpec {
            name: group.to_owned(),
            ..GroupSpec::default()
        };
        hand.create_group(&spec).await.unwrap();
        let path: RepoPath = format!("{group}/default.project").parse().unwrap();
        hand.create_repository(&path, &RepoSpec::default()).await.unwrap();
        let session = self.session().await;
        let made = session.group(group).await.unwrap().unwrap();
        let repo = session.repository(&path).await.unwrap().unwrap();
        Registration {
            group_id: made.id.to_string(),
            repository_id: repo.id.to_string(),
            creator: "ann".to_owned(),
        }
    }

    /// Removes resources on purpose.
    pub(crate) async fn remove(&self, of: RepoRef, identities: &[&str]) {
        let change = ChangeSet {
            removals: identities.iter().map(|text| identity(text)).collect(),
            ..ChangeSet::default()
        };
        self.publish(&of, change).await;
    }

    async fn publish(&self, of: &RepoRef, change: ChangeSet) -> Option<Oid> {
        let session = self.session().await;
        let path = of.path(&self.platform.tenant().repo).unwrap();
        let mirror = self.platform.mirrors().open(&path).await.unwrap();
        let target = Target {
            session: &*session,
            of,
            path: &path,
            mirror: &mirror,
            branch: "main",
        };
        let author = Author {
            name: "Ann".to_owned(),
            email: "ann@example.org".to_owned(),
        };
        let published = self
            .platform
            .publisher()
            .publish::<(), _>(&target, &change, &author, |_, _| Ok(()))
            .await
            .unwrap();
        published.commit
    }

    /// Pushes files to a branch, as somebody with git does; `None` deletes a file.
    pub(crate) async fn push(&self, repo: &str, branch: &str, files: &[(&str, Option<&str>)]) -> Oid {
        self.push_saying(repo, branch, files, &[]).await
    }

    /// Pushes files with trailers in the message.
    pub(crate) async fn push_saying(
        &self,
        repo: &str,
        branch: &str,
        files: &[(&str, Option<&str>)],
        trailers: &[(&str, &str)],
    ) -> Oid {
        let session = self.session().await;
        let path: RepoPath = repo.parse().unwrap();
        let dir = self._data.path().join("pushes").join(repo.replace('/', "-"));
        let mirror = nautes_gitops::Mirror::open_or_create(dir).await.unwrap();
        session.fetch(&path, &mirror).await.unwrap();
        let tip = mirror.tip(branch).await.unwrap();
        let who = Signature {
            name: "Bob".to_owned(),
            email: "bob@example.org".to_owned(),
            seconds: 1_700_000_000,
        };
        let commit = mirror
            .commit(CommitSpec {
                parent: tip,
                edits: files
                    .iter()
                    .map(|(path, text)| ((*path).to_owned(), text.map(|t| t.as_bytes().to_vec())))
                    .collect(),
                author: who.clone(),
                committer: who,
                message: "Change".to_owned(),
                trailers: trailers
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                    .collect(),
            })
            .await
            .unwrap()
            .unwrap();
        session.push(&path, &mirror, branch, tip, commit).await.unwrap();
        commit
    }

    /// Renames or moves a repository, as somebody does on the forge.
    pub(crate) async fn rename(&self, from: &RepoPath, to: &RepoPath) {
        let admin = self.forge.local().admin();
        admin.move_repository(from, to).await.unwrap();
    }

    /// Tags what a branch is at, as somebody with git does.
    pub(crate) async fn tag(&self, repo: &str, tag: &str, branch: &str) {
        let path: RepoPath = repo.parse().unwrap();
        let folder = self.forge.local().admin().folder(&path);
        let refs = self.session().await.refs(&path).await.unwrap();
        let commit = refs[&format!("refs/heads/{branch}")].to_string();
        std::fs::create_dir_all(folder.join("refs/tags")).unwrap();
        std::fs::write(folder.join("refs/tags").join(tag), format!("{commit}\n")).unwrap();
    }
}
