//! One file per operation: its input, its output, what it does. Each asks [`crate::Iam::authorize`] first.

pub(crate) mod add_role_to_instance_profile;
pub(crate) mod add_user_to_group;
pub(crate) mod attach_group_policy;
pub(crate) mod attach_role_policy;
pub(crate) mod attach_user_policy;
pub(crate) mod create_access_key;
pub(crate) mod create_group;
pub(crate) mod create_instance_profile;
pub(crate) mod create_policy;
pub(crate) mod create_policy_version;
pub(crate) mod create_role;
pub(crate) mod create_user;
pub(crate) mod delete_access_key;
pub(crate) mod delete_group;
pub(crate) mod delete_group_policy;
pub(crate) mod delete_instance_profile;
pub(crate) mod delete_login_profile;
pub(crate) mod delete_policy;
pub(crate) mod delete_policy_version;
pub(crate) mod delete_role;
pub(crate) mod delete_role_permissions_boundary;
pub(crate) mod delete_role_policy;
pub(crate) mod delete_user;
pub(crate) mod delete_user_permissions_boundary;
pub(crate) mod delete_user_policy;
pub(crate) mod detach_group_policy;
pub(crate) mod detach_role_policy;
pub(crate) mod detach_user_policy;
pub(crate) mod get_group;
pub(crate) mod get_group_policy;
pub(crate) mod get_instance_profile;
pub(crate) mod get_login_profile;
pub(crate) mod get_policy;
pub(crate) mod get_policy_version;
pub(crate) mod get_role;
pub(crate) mod get_role_policy;
pub(crate) mod get_user;
pub(crate) mod get_user_policy;
pub(crate) mod list_access_keys;
pub(crate) mod list_attached_group_policies;
pub(crate) mod list_attached_role_policies;
pub(crate) mod list_attached_user_policies;
pub(crate) mod list_entities_for_policy;
pub(crate) mod list_group_policies;
pub(crate) mod list_groups;
pub(crate) mod list_groups_for_user;
pub(crate) mod list_instance_profile_tags;
pub(crate) mod list_instance_profiles;
pub(crate) mod list_instance_profiles_for_role;
pub(crate) mod list_m_f_a_devices;
pub(crate) mod list_policies;
pub(crate) mod list_policy_tags;
pub(crate) mod list_policy_versions;
pub(crate) mod list_role_policies;
pub(crate) mod list_role_tags;
pub(crate) mod list_roles;
pub(crate) mod list_s_s_h_public_keys;
pub(crate) mod list_service_specific_credentials;
pub(crate) mod list_signing_certificates;
pub(crate) mod list_user_policies;
pub(crate) mod list_user_tags;
pub(crate) mod list_users;
pub(crate) mod list_virtual_m_f_a_devices;
pub(crate) mod put_group_policy;
pub(crate) mod put_role_permissions_boundary;
pub(crate) mod put_role_policy;
pub(crate) mod put_user_permissions_boundary;
pub(crate) mod put_user_policy;
pub(crate) mod remove_role_from_instance_profile;
pub(crate) mod remove_user_from_group;
pub(crate) mod set_default_policy_version;
pub(crate) mod simulate_custom_policy;
pub(crate) mod simulate_principal_policy;
pub(crate) mod tag_instance_profile;
pub(crate) mod tag_policy;
pub(crate) mod tag_role;
pub(crate) mod tag_user;
pub(crate) mod untag_instance_profile;
pub(crate) mod untag_policy;
pub(crate) mod untag_role;
pub(crate) mod untag_user;
pub(crate) mod update_access_key;
pub(crate) mod update_assume_role_policy;
pub(crate) mod update_group;
pub(crate) mod update_role;
pub(crate) mod update_role_description;
pub(crate) mod update_user;

/// The output of an operation that has none.
#[derive(serde::Serialize)]
pub(crate) struct Empty {}

/// Something that no operation of this server makes: there is none to show.
#[derive(serde::Serialize)]
pub(crate) enum Nothing {}
