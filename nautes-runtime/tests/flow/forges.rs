//! The same stories on every forge.

/// Makes two tests of each function that takes an [`On`](crate::world::On): on the local forge, and on a GitLab.
macro_rules! on_every_forge {
    ($($name:ident),* $(,)?) => {
        mod local {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::world::On::Local).await;
            })*
        }
        mod gitlab {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::world::On::Gitlab).await;
            })*
        }
    };
}
