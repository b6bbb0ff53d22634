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

/// The writer, as managed fields name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    pub name: String,
    /// Fields of an object that it creates are tracked from the start, and not from the first apply.
    pub tracks_new: bool,
    /// It writes by the scale subresource.
    pub by_scale: bool,
}

impl Manager {
    /// A part of the platform: `controller` of `system:serviceaccount:knative-serving:controller`. What it creates
    /// is not tracked before somebody applies it.
    #[must_use]
    pub fn component(user: &UserInfo) -> Self {
        let name = match user.username.rsplit_once(':') {
            Some(_) if user.is_node() => "kubelet",
            Some((_, last)) => last,
            None => &user.username,
        };
        Self { name: name.to_owned(), tracks_new: false, by_scale: false }
    }
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
    pub manager: Manager,
    /// An apply takes fields from other managers.
    pub force: bool,
}

impl Options {
    /// An admitted and validated write.
    #[must_use]
    pub fn of(actor: Actor) -> Self {
        Self {
            manager: Manager::component(&actor.user),
            actor,
            dry_run: false,
            validation: Validation::Ignore,
            duplicates: Vec::new(),
            force: false,
        }
    }

    /// For the parts of the cluster itself whose objects come from elsewhere, such as manifests.
    #[must_use]
    pub fn internal() -> Self {
        Self::of(Actor::user(UserInfo::component("system:kube-controller-manager")))
    }
}
