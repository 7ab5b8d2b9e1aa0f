//! What one account has, in memory: a table for each kind of thing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hearth_store::{KeyVersion, Record};
use hearth_types::Scope;

use crate::entity::{AccessKeyEntry, CustomerPolicy, Group, InstanceProfile, Noun, Role, User};
use crate::error::IamError;

/// One kind of thing in an account: a record, with what was compiled from it.
pub(crate) trait Entity: Send + Sync + Sized + 'static {
    type Record: Record + Clone + PartialEq + Send + Sync;
    const NOUN: Noun;
    /// How many an account may have.
    const PER_ACCOUNT_MAX: usize;

    /// # Errors
    /// Never for what is in the record: a stored document that is none any more grants nothing.
    fn of(scope: &Scope, record: Self::Record) -> Result<Self, IamError>;

    fn record(&self) -> &Self::Record;

    fn name(record: &Self::Record) -> &str;

    /// What it is unique by, and sorted by: names are unique regardless of case.
    fn row(record: &Self::Record) -> String {
        Self::row_of(Self::name(record))
    }

    fn row_of(name: &str) -> String {
        name.to_lowercase()
    }

    fn table(account: &Account) -> &Table<Self>;

    fn table_mut(account: &mut Account) -> &mut Table<Self>;

    /// Keeps the index of access keys: `row` now holds `entity`, or nothing.
    fn index(_access_keys: &mut HashMap<String, Arc<AccessKeyEntry>>, _row: &str, _entity: Option<&Arc<Self>>) {}
}

/// An entity and the version of its key.
pub(crate) struct Stored<E> {
    pub entity: Arc<E>,
    pub version: KeyVersion,
}

/// Entities by their row.
pub(crate) struct Table<E>(BTreeMap<String, Stored<E>>);

impl<E> Default for Table<E> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<E: Entity> Table<E> {
    /// The entity of exactly that name.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<E>> {
        self.stored(&E::row_of(name)).map(|stored| &stored.entity).filter(|found| E::name(found.record()) == name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<E>> {
        self.0.values().map(|stored| &stored.entity)
    }

    /// In order, what stands behind that name.
    pub(crate) fn behind(&self, after: Option<&str>) -> impl Iterator<Item = &Arc<E>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, |name| Excluded(E::row_of(name)));
        self.0.range((from, Unbounded)).map(|(_, stored)| &stored.entity)
    }

    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn stored(&self, row: &str) -> Option<&Stored<E>> {
        self.0.get(row)
    }

    pub(super) fn put(&mut self, row: &str, stored: Stored<E>) {
        self.0.insert(row.to_owned(), stored);
    }

    pub(super) fn remove(&mut self, row: &str) {
        self.0.remove(row);
    }
}

#[derive(Default)]
pub(crate) struct Account {
    pub roles: Table<Role>,
    pub users: Table<User>,
    pub groups: Table<Group>,
    pub policies: Table<CustomerPolicy>,
    pub instance_profiles: Table<InstanceProfile>,
    pub access_keys: Table<AccessKeyEntry>,
}

/// How many entities use a managed policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub attachments: u32,
    pub boundaries: u32,
}

impl Usage {
    /// Whether the policy is used in that way (`PolicyUsageFilter`); any use, or none, will do when nothing is said.
    #[must_use]
    pub(crate) fn is_as(self, filter: Option<&str>) -> bool {
        match filter {
            Some("PermissionsBoundary") => self.boundaries > 0,
            Some(_) => self.attachments > 0,
            None => true,
        }
    }
}

impl Account {
    /// # Errors
    /// `NoSuchEntity`.
    pub(crate) fn get<E: Entity>(&self, name: &str) -> Result<&Arc<E>, IamError> {
        E::table(self).get(name).ok_or_else(|| E::NOUN.unknown(name))
    }

    pub(crate) fn groups_of(&self, user: &User) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.iter().filter(|group| user.groups.contains(&group.id))
    }

    /// The users in a group, in the order of their names.
    pub(crate) fn members(&self, group: &Group) -> impl Iterator<Item = &Arc<User>> {
        self.users.iter().filter(|user| user.groups.contains(&group.id))
    }

    /// The instance profiles a role is in.
    pub(crate) fn profiles_of(&self, role: &Role) -> impl Iterator<Item = &Arc<InstanceProfile>> {
        self.instance_profiles.iter().filter(|profile| profile.role.as_ref() == Some(&role.name))
    }

    #[must_use]
    pub(crate) fn role_in(&self, profile: &InstanceProfile) -> Option<&Role> {
        self.roles.get(profile.role.as_deref()?).map(|role| &**role)
    }

    /// How often each managed policy, by ARN, is used.
    #[must_use]
    pub(crate) fn usage(&self) -> HashMap<&str, Usage> {
        let mut usage: HashMap<&str, Usage> = HashMap::new();
        let users = self.users.iter().map(|user| (&user.grants, user.permissions_boundary.as_deref()));
        let roles = self.roles.iter().map(|role| (&role.grants, role.permissions_boundary.as_deref()));
        let groups = self.groups.iter().map(|group| (&group.grants, None));
        for (grants, boundary) in users.chain(roles).chain(groups) {
            for arn in &grants.attached_policies {
                usage.entry(arn).or_default().attachments += 1;
            }
            if let Some(arn) = boundary {
                usage.entry(arn).or_default().boundaries += 1;
            }
        }
        usage
    }

    #[must_use]
    pub(crate) fn usage_of(&self, arn: &str) -> Usage {
        self.usage().get(arn).copied().unwrap_or_default()
    }
}
