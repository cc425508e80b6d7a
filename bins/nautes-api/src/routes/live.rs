//! What is live: status and plan.
