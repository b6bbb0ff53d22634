//! Actors and the options of their writes.

use crate::identity::UserInfo;

/// The author of a change.
#[derive(Clone, Debug)]
pub struct Actor {
    pub user: UserInfo,
    /// Its objects are built from types: they skip admission hooks and validation. Every other
    /// rule holds.
    trusted: bool,
}

impl Actor {
    /// A user whose writes are admitted and validated.
    #[must_use]
    pub fn user(user: UserInfo) -> Self {
        Self { user, trusted: false }
    }

    /// A built-in controller: `system:kube-controller-manager`.
    #[must_use]
    pub fn trusted(name: &str) -> Self {
        Self { user: UserInfo::component(name), trusted: true }
    }

    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }
}

/// The treatment of fields that a kind does not have (`fieldValidation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validation {
    /// Drop them silently.
    #[default]
    Ignore,
    /// Drop them with a warning.
    Warn,
    /// Refuse the write.
    Strict,
}

/// The options of a write.
#[derive(Clone, Debug)]
pub struct Options {
    pub actor: Actor,
    /// Do everything but store.
    pub dry_run: bool,
    pub validation: Validation,
    /// Keys that the body holds twice, found when it was decoded.
    pub duplicates: Vec<String>,
}

impl Options {
    /// An admitted and validated write.
    #[must_use]
    pub fn of(actor: Actor) -> Self {
        Self { actor, dry_run: false, validation: Validation::Ignore, duplicates: Vec::new() }
    }

    /// For the parts of the cluster itself whose objects come from elsewhere, such as manifests.
    #[must_use]
    pub fn internal() -> Self {
        Self::of(Actor::user(UserInfo::component("system:kube-controller-manager")))
    }
}
