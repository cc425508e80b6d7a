# Recipes for people who work on Nautes. `just` lists them.

_default:
    @just --list

# What CI runs.
check:
    .ci/run

# The tests.
test:
    scripts/test

# Formats everything.
fmt:
    cargo fmt --all

# Rewrites golden files and generated reference pages after an intended change.
update:
    UPDATE=1 scripts/test

# The main process on one machine.
demo:
    cargo run --release -- local demo

# All benchmarks.
bench:
    cargo bench --workspace
