//! Who may do what to projects, keys and people: roles in their order, and the rights each role brings.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A member's role in a project. Later ones may do all that earlier ones may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProjectRole {
    /// Sees the project, its members and its keys' metadata.
    Viewer,
    /// Makes keys for themselves, and manages those.
    Developer,
    /// Manages every key, service accounts, and members up to their own role.
    Manager,
    /// Everything, down to deleting the project.
    Owner,
}

/// A member's role in an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrganizationRole {
    /// Sees the organization and may make projects in it.
    Member,
    /// Owns every project of it, manages its members and group mappings.
    Admin,
}

impl ProjectRole {
    /// Every role, weakest first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Developer, Self::Manager, Self::Owner];

    /// The text in the API, the database and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Manager => "manager",
            Self::Owner => "owner",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether somebody of this role may give, change or take `other`: managers up to their own role, owners all.
    pub fn may_grant(self, other: Self) -> bool {
        self >= Self::Manager && other <= self
    }
}

impl OrganizationRole {
    /// Every role, weakest first.
    pub const ALL: [Self; 2] = [Self::Member, Self::Admin];

    /// The text in the API, the database and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for ProjectRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for OrganizationRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What somebody is to a project: the role of their membership, or the ownership that an organization's or the
/// platform's administrator has.
pub fn role_in_project(
    membership: Option<ProjectRole>,
    organization: Option<OrganizationRole>,
    platform_admin: bool,
) -> Option<ProjectRole> {
    if platform_admin || organization == Some(OrganizationRole::Admin) {
        return Some(ProjectRole::Owner);
    }
    membership
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_come_back_from_text() {
        for role in ProjectRole::ALL {
            assert_eq!(ProjectRole::parse(role.as_str()), Some(role));
        }
        assert!(ProjectRole::Viewer < ProjectRole::Developer && ProjectRole::Manager < ProjectRole::Owner);
        for bad in ["", "Owner", "admin", "root"] {
            assert_eq!(ProjectRole::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn nobody_gives_more_than_they_have() {
        for giver in ProjectRole::ALL {
            for given in ProjectRole::ALL {
                let expected = giver >= ProjectRole::Manager && given <= giver;
                assert_eq!(giver.may_grant(given), expected, "{giver} gives {given}");
            }
        }
    }

    #[test]
    fn what_somebody_is_to_a_project() {
        use OrganizationRole::{Admin, Member};
        use ProjectRole::{Owner, Viewer};
        let table = [
            (None, None, false, None),
            (None, Some(Member), false, None),
            (Some(Viewer), Some(Member), false, Some(Viewer)),
            (Some(Viewer), Some(Admin), false, Some(Owner)),
            (None, None, true, Some(Owner)),
        ];
        for (membership, organization, platform, expected) in table {
            assert_eq!(role_in_project(membership, organization, platform), expected);
        }
    }
}
