//! What somebody sees who sits at a terminal, and what is left there after ctrl-C.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::process::{Child, Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::kit::{ONE_PLATFORM, example, program, run};

const ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(100).unwrap();
const CTRL_C: &[u8] = b"\x03";

/// A terminal with a program that it belongs to.
struct Terminal {
    ours: File,
    theirs: File,
    child: Child,
    screen: vt100::Parser,
}

impl Terminal {
    /// Runs a command on a terminal of its own; `setsid` gives it to the program, as a shell does.
    fn run(command: &Command) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let size = Winsize {
            ws_row: ROWS.get(),
            ws_col: COLUMNS.get(),
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&ours, size).unwrap();
        let theirs = File::options().read(true).write(true).open(name).unwrap();
        let end = || Stdio::from(theirs.try_clone().unwrap());
        #[expect(clippy::disallowed_methods, reason = "the program itself is tested")]
        let mut setsid = Command::new("setsid");
        setsid
            .arg("--ctty")
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .env_remove("NO_COLOR")
            .env("TERM", "xterm-256color")
            .stdin(end())
            .stdout(end())
            .stderr(end());
        Self {
            ours: File::from(ours),
            child: setsid.spawn().unwrap(),
            theirs,
            screen: vt100::Parser::new(ROWS, COLUMNS, 0),
        }
    }

    fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    /// Reads until the screen is as it is wanted.
    fn until(&mut self, what: &str, is_seen: impl Fn(&vt100::Screen) -> bool) {
        let mut bytes = [0; 4096];
        while !is_seen(self.screen.screen()) {
            let count = self.ours.read(&mut bytes).unwrap_or_default();
            assert_ne!(
                count,
                0,
                "the program has ended before {what}:\n{}",
                self.contents()
            );
            self.screen.process(&bytes[..count]);
        }
    }

    /// Presses ctrl-C, and returns the code of the program when everything that it has written is read.
    fn interrupt(&mut self) -> Option<i32> {
        self.ours.write_all(CTRL_C).unwrap();
        let code = self.child.wait().unwrap().code();
        // What was written is there; a mark says where it ends.
        self.theirs.write_all(b"\x1b]2;the end\x07").unwrap();
        let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&all).contains("the end") {
            let count = self.ours.read(&mut bytes).unwrap();
            all.extend_from_slice(&bytes[..count]);
        }
        self.screen.process(&all);
        code
    }

    fn modes(&self) -> String {
        let Termios {
            input_modes,
            output_modes,
            local_modes,
            ..
        } = tcgetattr(&self.theirs).unwrap();
        format!("{input_modes:?} {output_modes:?} {local_modes:?}")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_watched_is_drawn_anew_and_ctrl_c_leaves_the_terminal_as_it_was() {
    if !has_setsid() {
        return;
    }
    let _one = ONE_PLATFORM.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let instance = crate::kit::platform(dir.path().join("platform")).await;
    let server = instance.url("api").unwrap();
    let nautes = |user: &str, words: &[&str]| {
        let mut command = program(dir.path());
        command
            .args(words)
            .env("NAUTES_SERVER", &server)
            .env("NAUTES_TOKEN", &instance.remembered().users[user]);
        command
    };
    let done = |user: &str, words: &[&str]| run(&mut nautes(user, words), "");
    let clusters = dir
        .path()
        .join("platform/manifests/clusters")
        .display()
        .to_string();
    tokio::task::block_in_place(|| {
        assert_eq!(done("admin", &["apply", "-f", &clusters]).code, 0);
        waiting(&nautes(
            "alice",
            &["apply", "-f", &example("hello.yaml"), "--wait"],
        ));
        watching(&nautes("alice", &["status", "hello", "--watch"]), || {
            let project = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\nmetadata: {name: api}\nspec: \
                           {product: hello, language: rust}\n";
            let applied = run(&mut nautes("alice", &["apply", "-f", "-"]), project);
            assert_eq!(applied.code, 0, "{applied:?}");
        });
    });
    instance.stop().await.unwrap();
}

/// Whether a terminal can be given away; says so where not.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn has_setsid() -> bool {
    #[expect(clippy::disallowed_methods, reason = "it is looked whether it is there")]
    let found = Command::new("setsid").arg("--help").output();
    let can = found.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--ctty"));
    if !can {
        eprintln!("skipped: there is no setsid that can give a terminal away (util-linux)");
    }
    can
}

/// Its repository is empty, so that the deployment has nothing to deploy and waits.
fn waiting(command: &Command) {
    let mut terminal = Terminal::run(command);
    let before = terminal.modes();
    terminal.until("one is left", |screen| {
        let text = screen.contents();
        text.contains("CodeRepo/hello/deploy ready") && text.contains("4 of 5 ready")
    });
    let open = |line: &&str| line.starts_with("  DeploymentRuntime/hello/web pending");
    let text = terminal.contents();
    assert_eq!(text.lines().filter(open).count(), 1, "{text}");
    assert_eq!(
        text.matches("of 5 ready").count(),
        1,
        "it is drawn in one place: {text}"
    );
    let code = terminal.interrupt();
    let text = terminal.contents();
    assert_eq!(code, Some(130), "{text}");
    assert!(text.contains("1 of 5 are not ready; no longer waiting"), "{text}");
    assert!(
        !text.contains("of 5 ready") && !text.contains("^C"),
        "the list is gone: {text}"
    );
    assert!(!terminal.screen.screen().hide_cursor(), "{text}");
    assert_eq!(terminal.modes(), before);
}

fn watching(command: &Command, change: impl FnOnce()) {
    let mut terminal = Terminal::run(command);
    let before = terminal.modes();
    terminal.until("the tree is drawn", |screen| {
        screen.contents().contains("ctrl-C ends")
    });
    assert!(terminal.screen.screen().alternate_screen());
    assert!(!terminal.contents().contains("Project api"));
    change();
    terminal.until("the project is drawn", |screen| {
        let text = screen.contents();
        text.contains("Project api  Ready") && text.contains("ctrl-C ends")
    });
    let text = terminal.contents();
    for once in ["Product hello", "Project api", "ctrl-C ends"] {
        assert_eq!(text.matches(once).count(), 1, "{once}: {text}");
    }
    assert!(
        text.starts_with("\u{2714} Product hello"),
        "it begins at the first line: {text}"
    );
    let code = terminal.interrupt();
    let (screen, text) = (terminal.screen.screen(), terminal.contents());
    assert_eq!(code, Some(130), "{text}");
    assert!(!screen.alternate_screen() && !screen.hide_cursor(), "{text}");
    assert!(
        text.contains("Project api  Ready"),
        "the last picture stays: {text}"
    );
    assert!(!text.contains("ctrl-C ends"), "{text}");
    assert_eq!(terminal.modes(), before);
}
