//! Debug pages: a component's state as JSON, made at each request.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::Value;

use crate::life::panics::catch;

type Page = Arc<dyn Fn() -> Value + Send + Sync>;

/// The pages of the process, by name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Debug {
    pages: Arc<RwLock<BTreeMap<&'static str, (&'static str, Page)>>>,
}

impl fmt::Debug for Debug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pages.read().keys()).finish()
    }
}

impl Debug {
    /// Adds `/debug/NAME`, with a line that says what it shows. A page of that name is replaced.
    pub fn page(
        &self,
        name: &'static str,
        shows: &'static str,
        page: impl Fn() -> Value + Send + Sync + 'static,
    ) {
        self.pages.write().insert(name, (shows, Arc::new(page)));
    }

    /// Name and description of every page.
    #[must_use]
    pub fn index(&self) -> Vec<(&'static str, &'static str)> {
        self.pages.read().iter().map(|(name, (shows, _))| (*name, *shows)).collect()
    }

    /// Renders a page. A panic becomes the page's error, and affects nothing else.
    #[must_use]
    pub fn render(&self, name: &str) -> Option<Result<Value, String>> {
        let page = Arc::clone(&self.pages.read().get(name)?.1);
        Some(catch(|| page()).map_err(|panicked| panicked.to_string()))
    }
}
