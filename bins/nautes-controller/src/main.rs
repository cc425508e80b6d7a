//! The controllers of Nautes as a program.

#[tokio::main]
async fn main() -> std::process::ExitCode {
    nautes_controller::main().await
}
