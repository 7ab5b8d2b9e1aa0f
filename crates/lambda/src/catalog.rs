//! Every function in memory, by scope and name.
//!
//! Entries are immutable and replaced as a whole, after the store has them. Answering an invocation costs one map
//! look-up; nothing is locked while a function runs. Who may change an entry: `functions.rs` only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use hearth_ports::{
    CodeDigest, Concurrency, EventTerms, FunctionCatalog, FunctionVersion, Guard, LogFormat, Provision, ResolveError,
    Resolved, RuntimeId, RuntimeVersion, Weighted,
};
use hearth_store::{Codec, KeyVersion, Secret, Store, scan_all, scopes};
use hearth_types::{Arn, FunctionUid, Qualifier, RequestContext, Scope, Version};
use parking_lot::RwLock;

use crate::alias::Share;
use crate::error::LambdaError;
use crate::lifecycle::Phase;
use crate::permission::Guards;
use crate::provisioned;
use crate::record::{
    Deployment, FunctionRecord, VersionRecord, all_versions_key, function_key, functions_key, versions_key,
};
use crate::settings::Settings;

/// A function with everything published of it.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) record: Arc<FunctionRecord>,
    /// Of the function's record: what a change of the function must find unchanged.
    pub(crate) key_version: KeyVersion,
    /// What `$LATEST` runs; `None` while it is created.
    serving: Option<Arc<FunctionVersion>>,
    pub(crate) published: BTreeMap<u64, Published>,
    guards: Guards,
}

/// A published version.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) record: Arc<VersionRecord>,
    snapshot: Arc<FunctionVersion>,
}

impl Function {
    pub(crate) fn new(
        scope: &Scope,
        record: FunctionRecord,
        key_version: KeyVersion,
        versions: impl IntoIterator<Item = VersionRecord>,
    ) -> Self {
        let serving = match (record.phase, &record.serving) {
            (phase, _) if !phase.is_invocable() => None,
            (_, Some(former)) => Some(former),
            (_, None) => Some(&record.latest),
        };
        let serving = serving.map(|deployment| snapshot(scope, &record, Version::Latest, deployment));
        let published = versions
            .into_iter()
            .map(|version| {
                let snapshot = snapshot(scope, &record, Version::Published(version.number), &version.deployment);
                (version.number, Published { record: Arc::new(version), snapshot })
            })
            .collect();
        let guards = Guards::of(&record);
        Self { record: Arc::new(record), key_version, serving, published, guards }
    }

    /// The same function after a commit. Versions that did not change keep their snapshots.
    pub(crate) fn replaced(
        &self,
        scope: &Scope,
        record: FunctionRecord,
        key_version: KeyVersion,
        put: Vec<VersionRecord>,
        deleted: &[u64],
    ) -> Self {
        let changed = Self::new(scope, record, key_version, put);
        let mut published = self.published.clone();
        published.retain(|number, _| !deleted.contains(number));
        published.extend(changed.published);
        Self { published, ..changed }
    }

    /// The same function where these builds of runtimes are; `None` when that changes nothing.
    fn on_runtimes(&self, scope: &Scope, current: &dyn Fn(&Settings, bool) -> Option<RuntimeVersion>) -> Option<Self> {
        let on =
            |deployment: &Deployment| deployment.runtime.on(current(&deployment.settings, deployment.image.is_some()));
        let is_changed = |deployment: &Deployment| on(deployment) != deployment.runtime;
        let versions = self.published.values().map(|published| &published.record);
        let all = versions.clone().map(|version| &version.deployment).chain([&self.record.latest]);
        if !all.chain(&self.record.serving).any(is_changed) {
            return None;
        }
        let moved = |deployment: &Deployment| Deployment { runtime: on(deployment), ..deployment.clone() };
        let record = FunctionRecord {
            latest: moved(&self.record.latest),
            serving: self.record.serving.as_ref().map(moved),
            ..(*self.record).clone()
        };
        let versions: Vec<_> = versions
            .map(|version| VersionRecord { deployment: moved(&version.deployment), ..(**version).clone() })
            .collect();
        Some(Self::new(scope, record, self.key_version, versions))
    }

    /// What decides about requests for the function, or for the version or alias of that name.
    pub(crate) fn guard(&self, qualifier: Option<&str>) -> &Arc<Guard> {
        self.guards.of_qualifier(qualifier)
    }

    pub(crate) fn uid(&self) -> &FunctionUid {
        &self.record.uid
    }

    /// Whether the worker still has something to do for it.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.record.phase.is_unfinished() || self.published.values().any(|version| version.record.phase.is_unfinished())
    }

    /// Of a version; `$LATEST`'s where there is none of that number.
    fn phase(&self, version: Version) -> Phase {
        match version {
            Version::Latest => self.record.phase,
            Version::Published(number) => {
                self.published.get(&number).map_or(self.record.phase, |version| version.record.phase)
            }
        }
    }

    /// Whether it has the version or alias.
    pub(crate) fn has(&self, qualifier: Option<&Qualifier>) -> bool {
        match qualifier {
            None | Some(Qualifier::Version(Version::Latest)) => true,
            Some(Qualifier::Version(Version::Published(number))) => self.published.contains_key(number),
            Some(Qualifier::Alias(alias)) => self.record.aliases.contains_key(alias),
        }
    }

    /// Of the version, or of the first one that the alias leads to; of `$LATEST` what it is set to.
    pub(crate) fn settings(&self, qualifier: Option<&Qualifier>) -> Option<&Settings> {
        let version = match qualifier {
            None => Version::Latest,
            Some(Qualifier::Version(version)) => *version,
            Some(Qualifier::Alias(alias)) => self.record.aliases.get(alias)?.version,
        };
        match version {
            Version::Latest => Some(&self.record.latest.settings),
            Version::Published(number) => Some(&self.published.get(&number)?.record.deployment.settings),
        }
    }

    /// What of the account's concurrency nobody else can have.
    pub(crate) fn committed(&self) -> u32 {
        self.record.reserved_concurrency.unwrap_or_else(|| provisioned::total(&self.record))
    }

    /// What is to be kept ready of it. What is not ready itself comes with its next change.
    pub(crate) fn provisions(&self) -> Vec<Provision> {
        let provisions = self.record.provisioned.iter().map(|(qualifier, config)| Provision {
            qualifier: qualifier.as_str().into(),
            parts: provisioned::parts(&self.record, qualifier, config.count)
                .into_iter()
                .filter_map(|(version, count)| Some((self.runnable(version)??, count)))
                .collect(),
        });
        provisions.collect()
    }

    fn code_bytes(&self) -> u64 {
        let published = self.published.values().map(|version| version.record.deployment.code.bytes);
        self.record.latest.code.bytes + published.sum::<u64>()
    }

    /// What a version runs: `None` without such a version, `Some(None)` while it is created.
    fn runnable(&self, version: Version) -> Option<Option<Arc<FunctionVersion>>> {
        match version {
            Version::Latest => Some(self.serving.clone()),
            Version::Published(number) => {
                let version = self.published.get(&number)?;
                Some(version.record.phase.is_invocable().then(|| version.snapshot.clone()))
            }
        }
    }

    fn digests(&self) -> impl Iterator<Item = CodeDigest> + '_ {
        [Some(&self.record.latest), self.record.serving.as_ref()]
            .into_iter()
            .flatten()
            .chain(self.published.values().map(|version| &version.record.deployment))
            .flat_map(Deployment::digests)
    }
}

fn snapshot(scope: &Scope, record: &FunctionRecord, version: Version, deployment: &Deployment) -> Arc<FunctionVersion> {
    let settings = &deployment.settings;
    // Functions are regional: a scope without region never gets here.
    let region = scope.region.clone().unwrap_or_else(|| hearth_types::Region::DEFAULT.into());
    Arc::new(FunctionVersion {
        uid: record.uid.clone(),
        snapshot: deployment.snapshot.clone(),
        partition: scope.partition,
        account: scope.account,
        arn: Arn::function(scope.partition, &region, scope.account, &record.name),
        region,
        name: record.name.clone(),
        version,
        runtime: settings.runtime.clone(),
        runtime_version: deployment.runtime.held().cloned(),
        handler: deployment.handler(),
        image: deployment.image_launch().map(Arc::new),
        role_arn: settings.role.clone(),
        architecture: settings.architecture,
        memory: settings.memory,
        timeout: settings.timeout(),
        ephemeral_storage: settings.ephemeral_storage,
        environment: settings.environment.as_ref().map(|Secret(variables)| variables.clone()).unwrap_or_default(),
        code: deployment.code.digest,
        layers: settings.layers.iter().map(|layer| layer.code.digest).collect(),
        dead_letters: settings.dead_letters.as_deref().and_then(|arn| arn.parse().ok()),
        log_group: settings.log_group.clone(),
        log_format: if settings.json_log.is_some() { LogFormat::Json } else { LogFormat::Text },
        application_log_level: settings.json_log.unwrap_or_default().application,
        system_log_level: settings.json_log.unwrap_or_default().system,
    })
}

#[derive(Default)]
struct Names {
    by_name: HashMap<Arc<str>, Arc<Function>>,
    /// The same names, for listing in order.
    sorted: BTreeSet<Arc<str>>,
    /// Concurrency that is reserved or provisioned, of all of them together.
    committed: u32,
    /// Of all their packages; each version counts.
    code_bytes: u64,
}

impl Names {
    fn put(&mut self, function: Function) {
        let name: Arc<str> = function.record.name.as_str().into();
        self.committed += function.committed();
        self.code_bytes += function.code_bytes();
        self.sorted.insert(name.clone());
        if let Some(former) = self.by_name.insert(name, Arc::new(function)) {
            self.forget(&former);
        }
    }

    fn remove(&mut self, name: &str) {
        self.sorted.remove(name);
        if let Some(former) = self.by_name.remove(name) {
            self.forget(&former);
        }
    }

    fn forget(&mut self, former: &Function) {
        self.committed -= former.committed();
        self.code_bytes -= former.code_bytes();
    }
}

/// Where a function URL leads.
#[derive(Clone, Debug)]
struct UrlPlace {
    scope: Scope,
    name: Arc<str>,
    /// The alias it is for; empty: the function itself.
    qualifier: String,
}

/// The registry of functions; answers invocations from memory.
#[derive(Default)]
pub struct Catalog {
    scopes: RwLock<HashMap<Scope, Names>>,
    /// By url id. Changed while `scopes` is held, and true to it when that is free.
    urls: RwLock<HashMap<String, UrlPlace>>,
}

impl Catalog {
    /// Reads every function of every scope.
    ///
    /// # Errors
    /// The store or one of its records cannot be read.
    pub async fn load(store: &dyn Store, codec: &Codec) -> Result<Arc<Self>, LambdaError> {
        let catalog = Self::default();
        for scope in scopes(store).await? {
            let mut versions: HashMap<FunctionUid, Vec<VersionRecord>> = HashMap::new();
            scan_all(store, &all_versions_key(&scope), |entry| {
                let version: VersionRecord = codec.decode_at(&entry.key, &entry.value)?;
                versions.entry(version.uid.clone()).or_default().push(version);
                Ok::<(), LambdaError>(())
            })
            .await?;
            scan_all(store, &functions_key(&scope), |entry| {
                let record: FunctionRecord = codec.decode_at(&entry.key, &entry.value)?;
                let versions = versions.remove(&record.uid).unwrap_or_default();
                catalog.put(&scope, Function::new(&scope, record, entry.version, versions));
                Ok::<(), LambdaError>(())
            })
            .await?;
        }
        Ok(Arc::new(catalog))
    }

    /// Has functions that no build of a runtime holds run on those there are now. The store learns of it with their
    /// next change.
    pub(crate) fn note_runtimes(&self, current: &dyn Fn(&Settings, bool) -> Option<RuntimeVersion>) {
        for (scope, function) in self.all() {
            if let Some(changed) = function.on_runtimes(&scope, current) {
                self.put(&scope, changed);
            }
        }
    }

    /// Reads one function anew, after a commit whose outcome is unknown.
    pub(crate) async fn reload(
        &self,
        store: &dyn Store,
        codec: &Codec,
        scope: &Scope,
        name: &str,
    ) -> Result<(), LambdaError> {
        let Some(entry) = store.get(&function_key(scope, name)).await? else {
            self.remove(scope, name);
            return Ok(());
        };
        let record: FunctionRecord = codec.decode_at(&entry.key, &entry.value)?;
        let mut versions: Vec<VersionRecord> = Vec::new();
        scan_all(store, &versions_key(scope, &record.uid), |entry| {
            versions.push(codec.decode_at(&entry.key, &entry.value)?);
            Ok::<(), LambdaError>(())
        })
        .await?;
        self.put(scope, Function::new(scope, record, entry.version, versions));
        Ok(())
    }

    pub(crate) fn get(&self, scope: &Scope, name: &str) -> Option<Arc<Function>> {
        self.scopes.read().get(scope)?.by_name.get(name).cloned()
    }

    pub(crate) fn put(&self, scope: &Scope, function: Function) {
        let mut scopes = self.scopes.write();
        let names = scopes.entry(scope.clone()).or_default();
        let record = function.record.clone();
        let former = names.by_name.get(record.name.as_str()).map(|former| former.record.clone());
        names.put(function);
        let formerly = former.as_ref().map(|former| &former.urls);
        // Hardly any change of a function is one of its URLs.
        if formerly.is_some_and(|urls| *urls == record.urls) || (formerly.is_none() && record.urls.is_empty()) {
            return;
        }
        let mut urls = self.urls.write();
        for url in formerly.into_iter().flat_map(|urls| urls.values()) {
            urls.remove(&url.id);
        }
        for (qualifier, url) in &record.urls {
            let place =
                UrlPlace { scope: scope.clone(), name: record.name.as_str().into(), qualifier: qualifier.clone() };
            urls.insert(url.id.clone(), place);
        }
    }

    pub(crate) fn remove(&self, scope: &Scope, name: &str) {
        let mut scopes = self.scopes.write();
        let Some(names) = scopes.get_mut(scope) else { return };
        let former = names.by_name.get(name).cloned();
        names.remove(name);
        let mut urls = self.urls.write();
        for url in former.iter().flat_map(|former| former.record.urls.values()) {
            urls.remove(&url.id);
        }
    }

    /// Scope and function of a URL, and the alias it is for; empty: the function itself.
    pub(crate) fn by_url(&self, id: &str) -> Option<(Scope, Arc<Function>, String)> {
        let UrlPlace { scope, name, qualifier } = self.urls.read().get(id).cloned()?;
        let function = self.get(&scope, &name)?;
        function.record.urls.get(&qualifier).filter(|url| url.id == id)?;
        Some((scope, function, qualifier))
    }

    /// At most `limit` functions in order of their names, from the one named `from` on (it included).
    /// The runtimes that functions have.
    #[must_use]
    pub fn runtimes(&self) -> BTreeSet<RuntimeId> {
        let all = self.all().into_iter();
        all.map(|(_, function)| function.record.latest.settings.runtime.clone()).collect()
    }

    pub(crate) fn list(&self, scope: &Scope, from: &str, limit: usize) -> Vec<Arc<Function>> {
        let scopes = self.scopes.read();
        let Some(names) = scopes.get(scope) else { return Vec::new() };
        names
            .sorted
            .range::<str, _>((Bound::Included(from), Bound::Unbounded))
            .take(limit)
            .filter_map(|name| names.by_name.get(name).cloned())
            .collect()
    }

    /// Every function of every scope, for the work at start-up.
    pub(crate) fn all(&self) -> Vec<(Scope, Arc<Function>)> {
        let scopes = self.scopes.read();
        scopes
            .iter()
            .flat_map(|(scope, names)| names.by_name.values().map(|function| (scope.clone(), function.clone())))
            .collect()
    }

    /// Concurrency that is reserved or provisioned, of all functions of the scope together.
    pub(crate) fn committed(&self, scope: &Scope) -> u32 {
        self.scopes.read().get(scope).map_or(0, |names| names.committed)
    }

    /// How many functions the scope has, and the bytes of all their packages: each version counts.
    pub(crate) fn usage(&self, scope: &Scope) -> (usize, u64) {
        self.scopes.read().get(scope).map_or((0, 0), |names| (names.by_name.len(), names.code_bytes))
    }

    /// Every package that a version names.
    pub(crate) fn digests(&self) -> BTreeSet<CodeDigest> {
        let scopes = self.scopes.read();
        scopes.values().flat_map(|names| names.by_name.values()).flat_map(|function| function.digests()).collect()
    }
}

impl FunctionCatalog for Catalog {
    fn resolve(
        &self,
        ctx: &RequestContext,
        name: &str,
        qualifier: Option<&Qualifier>,
    ) -> Result<Resolved, ResolveError> {
        let not_found = || {
            let qualifier = qualifier.map_or_else(|| Version::Latest.to_string(), ToString::to_string);
            ResolveError::NotFound { arn: ctx.function_arn(name).qualified(&qualifier).to_string() }
        };
        let (function, reserved_total) = {
            let scopes = self.scopes.read();
            let names = scopes.get(&ctx.scope()).ok_or_else(not_found)?;
            (names.by_name.get(name).cloned().ok_or_else(not_found)?, names.committed)
        };
        let (version, second) = match qualifier {
            None => (Version::Latest, None),
            Some(Qualifier::Version(version)) => (*version, None),
            Some(Qualifier::Alias(alias)) => {
                let alias = function.record.aliases.get(alias).ok_or_else(not_found)?;
                (alias.version, alias.second)
            }
        };
        let runnable = |version| {
            let snapshot = function.runnable(version).ok_or_else(not_found)?;
            snapshot.ok_or_else(|| ResolveError::NotReady { state: function.phase(version).state() })
        };
        let version = runnable(version)?;
        let second = match second {
            Some(Share { version, weight }) => {
                Some(Weighted { version: runnable(Version::Published(version))?, weight })
            }
            None => None,
        };
        let invoked_arn = match qualifier {
            Some(qualifier) => version.arn.qualified(&qualifier.to_string()).to_string(),
            None => version.arn.to_string(),
        };
        let guard = match qualifier {
            // The usual call has no qualifier: nothing to print then.
            None => function.guard(None),
            Some(qualifier) => function.guard(Some(&qualifier.to_string())),
        };
        let concurrency = Concurrency {
            reserved: function.record.reserved_concurrency,
            provisioned: provisioned::total(&function.record),
            reserved_total,
        };
        let provisioned = match qualifier {
            Some(qualifier) if !function.record.provisioned.is_empty() => {
                let qualifier = qualifier.to_string();
                function.record.provisioned.contains_key(&qualifier).then(|| qualifier.into())
            }
            _ => None,
        };
        let allows_loops = function.record.allows_loops;
        let guard = guard.clone();
        Ok(Resolved { version, second, concurrency, provisioned, allows_loops, invoked_arn, guard })
    }

    fn event_terms(&self, ctx: &RequestContext, name: &str, qualifier: Option<&Qualifier>) -> EventTerms {
        let function = self.get(&ctx.scope(), name);
        let set = function.and_then(|function| {
            let qualifier = qualifier.map_or_else(|| Version::Latest.to_string(), ToString::to_string);
            Some(function.record.event_invoke.get(&qualifier)?.terms())
        });
        set.unwrap_or_default()
    }
}
