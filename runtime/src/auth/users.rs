//! All who may log in, as the operator's file had them when it was read.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use serde::Serialize;

use super::anonymous::Anonymous;
use super::book::Book;
use super::keys::{Limits, may_come};
use super::name::UserName;
use super::outside::Template;
use super::password::{Decoys, Hash};
use super::permit::Rights;
use crate::config::{Mistake, plain, settings};
use crate::moment::Moment;
use crate::vfs::VirtualPath;

/// One user, as sessions know them.
#[derive(Debug)]
pub(super) struct User {
    pub(super) name: UserName,
    pub(super) home: PathBuf,
    pub(super) rights: Rights,
    pub(super) folders: Vec<Folder>,
    pub(super) limits: Limits,
    /// Known to the system, not to the file.
    pub(super) outside: bool,
}

/// A folder elsewhere on disk that a user sees in the own tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Where it is seen.
    pub path: VirtualPath,
    /// Where it is, absolute.
    pub to: PathBuf,
    /// What the user may do there.
    pub rights: Rights,
}

/// How somebody becomes a user.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) user: Arc<User>,
    pub(super) hash: Hash,
    pub(super) group: Option<String>,
    pub(super) networks: Option<Vec<IpNet>>,
    pub(super) expires: Option<Moment>,
    pub(super) enabled: bool,
}

/// All users, as the file had them when it was read.
#[derive(Clone, Debug)]
pub struct Users {
    by_name: HashMap<UserName, Account>,
    anonymous: Option<Anonymous>,
    forbidden: HashSet<String>,
    decoys: Decoys,
    /// What users of the system get, if they are let in.
    template: Option<Arc<Template>>,
}

/// One user, for people and programs: nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Name.
    pub name: String,
    /// Group, if there is one.
    pub group: Option<String>,
    /// The folder seen as `/`.
    pub home: PathBuf,
    /// The words of the permissions.
    pub permissions: Vec<&'static str>,
    /// Paths of the virtual folders.
    pub folders: Vec<String>,
    /// Where the user may come from; `None`: anywhere.
    pub networks: Option<Vec<String>>,
    /// From when on nobody gets in.
    pub expires: Option<Moment>,
    /// Whether logins work at all.
    pub enabled: bool,
}

impl Account {
    /// Whether it is in force at a moment.
    pub(super) fn stands(&self, now: Moment) -> bool {
        self.enabled && self.expires.is_none_or(|end| now < end)
    }

    /// Whether somebody may come in now and from there.
    pub(super) fn admits(&self, from: IpAddr, now: Moment) -> bool {
        self.stands(now) && may_come(self.networks.as_deref(), from)
    }
}

impl Users {
    /// Reads and checks the file of users: form, names, hashes, homes, and that nobody else can write it.
    ///
    /// # Errors
    /// All mistakes, in the order of the file.
    pub fn load(settings: &settings::Users) -> Result<Users, Vec<Mistake>> {
        let anonymous = settings.anonymous.as_ref().map(Anonymous::open).transpose();
        let group = settings.pam.as_ref().map(|pam| pam.group.as_str());
        match (Users::read(&settings.file, &settings.forbidden, group), anonymous) {
            (Ok(users), Ok(anonymous)) => Ok(Users { anonymous, ..users }),
            (Ok(_), Err(mistake)) => Err(vec![mistake]),
            (Err(mistakes), anonymous) => Err(mistakes.into_iter().chain(anonymous.err()).collect()),
        }
    }

    fn read(file: &Path, forbidden: &[String], outside: Option<&str>) -> Result<Users, Vec<Mistake>> {
        let refused = |what: String, remedy: &str| {
            vec![Mistake { what, place: Some(file.display().to_string()), remedy: Some(remedy.to_owned()) }]
        };
        let text = std::fs::read_to_string(file).map_err(|error| {
            refused(
                format!("cannot read the file of users: {}", plain(&error)),
                "`users.file` names it; it is TOML in UTF-8",
            )
        })?;
        let mut book = Book::new(file, &text);
        let mode = std::fs::metadata(file).map(|meta| meta.permissions().mode()).unwrap_or_default();
        if mode & 0o022 != 0 {
            book.mistake(None, "others may write the file of users", "chmod go-w on the file");
        }
        book.read();
        let costs: HashSet<_> = book.users.values().map(|account| account.hash.cost()).collect();
        if costs.len() > Decoys::COSTS_MAX {
            let what = format!("the passwords are hashed in {} ways, and each login costs all of them", costs.len());
            let remedy = format!("hash some anew with `portcullis user hash`: {} ways are the most", Decoys::COSTS_MAX);
            book.mistake(None, what, remedy);
        }
        let template = outside.and_then(|name| {
            let group = book.groups.get(name).and_then(|group| Template::of(group, file));
            if group.is_none() {
                let what = format!("`users.pam.group`: there is no group `{name}` with a `home` in the file of users");
                book.mistake(None, what, "add a [[group]] of that name, with `home` and perhaps %u in it");
            }
            group.map(Arc::new)
        });
        let Book { users, mistakes, .. } = book;
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let decoys = Decoys::of(costs.into_iter()).map_err(|error| refused(error.to_string(), "start again"))?;
        let forbidden = forbidden.iter().cloned().collect();
        Ok(Users { by_name: users, anonymous: None, forbidden, decoys, template })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_name.len()
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<Listed> {
        let mut listed: Vec<Listed> = self.by_name.values().map(Account::listed).collect();
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        listed
    }

    /// Users of a test, with hashes that cost next to nothing: name, password, home, rights.
    #[cfg(any(test, fuzzing))]
    pub fn fixture(users: &[(&str, &str, &Path, Rights)]) -> Users {
        let account = |(name, password, home, rights): &(&str, &str, &Path, Rights)| {
            let name = UserName::parse(name).expect("name");
            let (folders, limits) = (Vec::new(), Limits::default());
            let home = home.to_path_buf();
            let user = User { name: name.clone(), home, rights: *rights, folders, limits, outside: false };
            let hash = Hash::cheap(password);
            let user = Arc::new(user);
            (name, Account { user, hash, group: None, networks: None, expires: None, enabled: true })
        };
        let forbidden = HashSet::from(["root".to_owned()]);
        let by_name = users.iter().map(account).collect();
        let decoys = Decoys::of([Hash::cheap("").cost()].into_iter()).expect("decoys");
        Users { by_name, anonymous: None, forbidden, decoys, template: None }
    }

    /// The same with anonymous users.
    #[cfg(test)]
    pub(super) fn with_anonymous(self, settings: &settings::Anonymous) -> Users {
        Users { anonymous: Some(Anonymous::open(settings).expect("anonymous")), ..self }
    }

    /// The same with one account changed.
    #[cfg(test)]
    pub(super) fn with_changed(mut self, name: &str, change: impl FnOnce(&mut Account)) -> Users {
        change(self.by_name.get_mut(&UserName::parse(name).expect("name")).expect("user"));
        let costs = self.by_name.values().map(|account| account.hash.cost());
        self.decoys = Decoys::of(costs).expect("decoys");
        self
    }

    pub(super) fn find(&self, name: &UserName) -> Option<&Account> {
        self.by_name.get(name)
    }

    /// Those who need no password, if `name` is theirs and no user of the file has it.
    pub(super) fn anonymous(&self, name: &UserName) -> Option<&Anonymous> {
        self.anonymous.as_ref().filter(|_| Anonymous::is_called(name.as_str()) && self.find(name).is_none())
    }

    /// Whether who logged in under a name, of the file or from outside, could do so still, wherever from.
    pub(super) fn stands(&self, name: &UserName, outside: bool, now: Moment) -> bool {
        match self.find(name) {
            Some(account) => account.stands(now) && !self.is_forbidden(name) && !outside,
            None if outside => self.template.as_ref().is_some_and(|all| all.stands(now)) && !self.is_forbidden(name),
            None => self.anonymous(name).is_some(),
        }
    }

    /// What users of the system get, if they are let in.
    pub(super) fn template(&self) -> Option<&Arc<Template>> {
        self.template.as_ref()
    }

    pub(super) fn is_forbidden(&self, name: &UserName) -> bool {
        self.forbidden.contains(name.as_str())
    }

    pub(super) fn decoys(&self) -> &Decoys {
        &self.decoys
    }
}

impl Account {
    fn listed(&self) -> Listed {
        let user = &self.user;
        Listed {
            name: user.name.as_str().to_owned(),
            group: self.group.clone(),
            home: user.home.clone(),
            permissions: user.rights.words().collect(),
            folders: user.folders.iter().map(|folder| folder.path.to_string()).collect(),
            networks: self.networks.as_ref().map(|set| set.iter().map(ToString::to_string).collect()),
            expires: self.expires,
            enabled: self.enabled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";

    fn load(text: &str) -> Result<Users, Vec<Mistake>> {
        let folder = tempfile::tempdir().expect("dir");
        for name in ["alice", "other", "pub"] {
            std::fs::create_dir(folder.path().join(name)).expect("folder");
        }
        let file = folder.path().join("users.toml");
        std::fs::write(&file, text).expect("write");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("mode");
        Users::read(&file, &["root".into()], None)
    }

    #[test]
    fn a_user_has_a_home_beside_the_file_and_full_rights() {
        let text = format!("[[user]]\nname = 'alice'\npassword = '{HASH}'\nhome = 'alice'\n");
        let users = load(&text).expect("users");
        let alice = users.find(&UserName::parse("alice").expect("name")).expect("alice");
        assert!(alice.user.home.is_absolute() && alice.user.home.ends_with("alice"));
        assert_eq!(alice.user.rights, Rights::FULL);
        assert!(alice.enabled);
        assert!(users.is_forbidden(&UserName::parse("root").expect("name")));
    }

    #[test]
    fn read_only_users_may_look_and_download() {
        let text = format!("[[user]]\nname='alice'\npassword='{HASH}'\nhome='alice'\nread-only=true\n");
        let users = load(&text).expect("users");
        assert_eq!(users.find(&UserName::parse("alice").expect("name")).expect("alice").user.rights, Rights::READ_ONLY);
    }

    /// The account of `alice` in a file that holds `text`.
    fn alice(text: &str) -> Result<Account, Vec<String>> {
        let users = load(text).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        Ok(users.find(&UserName::parse("alice").expect("name")).expect("alice").clone())
    }

    #[test]
    fn what_a_user_leaves_open_is_the_groups() {
        let group = "[[group]]\nname='staff'\nhome='%u'\npermissions=['list','read']\nnetworks=['192.0.2.0/24']\n\
                     limits={ sessions = 4, quota = '10 GiB', upload = '1 MiB' }\nexpires=2030-12-31\nenabled=false\n\
                     folders=[{ path='/pub', to='pub' }, { path='/own', to='pub', read-only=true }]\n";
        let least = format!("[[user]]\nname='alice'\npassword='{HASH}'\ngroup='staff'\n");
        let plain = alice(&format!("{group}{least}")).expect("alice");
        let from = "192.0.2.9".parse().expect("address");
        assert!(plain.user.home.ends_with("alice"));
        assert_eq!(plain.user.rights, Rights::READ_ONLY);
        assert_eq!(plain.user.limits.sessions, Some(4));
        assert_eq!((plain.user.limits.quota_bytes, plain.user.limits.upload), (Some(10 << 30), Some(1 << 20)));
        assert_eq!(plain.user.folders.len(), 2);
        assert!(!plain.admits(from, Moment::from_millis(0)), "the whole group is disabled");

        let own = format!(
            "{group}{least}home='other'\nread-only=false\nlimits={{ quota = 'unlimited' }}\nenabled=true\n\
             [[user.folders]]\npath='/own'\nto='pub'\n"
        );
        let own = alice(&own).expect("alice");
        assert!(own.user.home.ends_with("other"));
        assert_eq!(own.user.rights, Rights::FULL);
        assert_eq!((own.user.limits.quota_bytes, own.user.limits.sessions), (None, Some(4)));
        let seen: Vec<_> = own.user.folders.iter().map(|folder| (folder.path.as_str(), folder.rights)).collect();
        assert_eq!(seen, [("/own", Rights::FULL), ("/pub", Rights::FULL)]);
        let last = Moment::from_millis(1_924_991_999_999);
        assert!(own.admits(from, last), "a date counts to its end");
        assert!(!own.admits(from, Moment::from_millis(1_924_992_000_000)), "expired");
        assert!(!own.admits("198.51.100.1".parse().expect("address"), last), "from elsewhere");
    }

    #[test]
    fn mistakes_in_groups_folders_and_limits_are_told_with_their_lines() {
        let text = format!(
            "[[group]]\nname='staff'\npermissions=['lst']\n[[user]]\nname='alice'\npassword='{HASH}'\nhome='alice'\n\
             group='stuff'\nexpires='soon'\nnetworks=['here']\nlimits={{ session=1, upload=0, transfers='many' }}\n\
             [[user.folders]]\npath='pub'\nto='pub'\n[[user.folders]]\npath='/gone'\nto='gone'\ntoo='x'\n\
             [[user]]\nname='..'\npassword='{HASH}'\nhome='alice/%u'\n"
        );
        let mistakes = load(&text).expect_err("mistakes");
        let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        let expected = [
            (3, "`group[0].permissions`: \"lst\" is no permission", "did you mean \"list\"?"),
            (8, "`user[0].group`: there is no group `stuff`", "did you mean `staff`?"),
            (9, "`user[0].expires` is no date", "2030-12-31"),
            (10, "`user[0].networks` holds what is no network", "192.0.2.0/24"),
            (11, "unknown key `user[0].limits.session`", "did you mean `sessions`?"),
            (11, "`user[0].limits.upload` is no limit", "bytes a second"),
            (11, "`user[0].limits.transfers` is no limit", "a whole number"),
            (13, "`user[0].folders[0].path` is no path", "it starts with /"),
            (17, "`user[0].folders[1].to`: cannot use `gone`", "make the folder"),
            (18, "unknown key `user[0].folders[1].too`", "did you mean `to`?"),
            (22, "`user[1].home`: the name `..` cannot stand in a path", "without %u"),
        ];
        for (line, what, remedy) in expected {
            let place = format!("users.toml:{line}\n");
            let found = told.iter().any(|told| told.contains(what) && told.contains(remedy) && told.contains(&place));
            assert!(found, "{line} {what}: {told:#?}");
        }
        assert_eq!(mistakes.len(), expected.len(), "{told:#?}");
    }

    #[test]
    fn many_ways_of_hashing_are_refused_since_every_login_would_cost_them_all() {
        let user = |cost: u32| {
            let hash = format!("$2b${cost:02}$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
            format!("[[user]]\nname='user{cost}'\npassword='{hash}'\nhome='alice'\n")
        };
        let mistakes = load(&(4..13).map(user).collect::<String>()).expect_err("too many");
        assert!(mistakes[0].to_string().contains("in 9 ways"), "{mistakes:?}");
    }

    #[test]
    fn permissions_are_a_list_of_words() {
        let row = format!("[[user]]\nname='alice'\npassword='{HASH}'\nhome='alice'\n");
        let rights = |text: &str| {
            let users = load(&format!("{row}{text}")).map_err(|mistakes| mistakes[0].to_string())?;
            Ok::<_, String>(users.find(&UserName::parse("alice").expect("name")).expect("alice").user.rights)
        };
        let dropbox = Rights { write: true, mkdir: true, ..Rights::NONE };
        assert_eq!(rights("permissions = ['write', 'mkdir']"), Ok(dropbox));
        assert_eq!(rights("permissions = []"), Ok(Rights::NONE));
        for (text, told) in [
            ("permissions = ['wirte']", "did you mean \"write\"?"),
            ("permissions = [7]", "no text"),
            ("permissions = 'write'", "no list"),
            ("permissions = ['list']\nread-only = true", "remove one of the two"),
        ] {
            let mistake = rights(text).expect_err(text);
            assert!(mistake.contains(told) && mistake.contains("users.toml:5"), "{text}: {mistake}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_their_lines() {
        let text = "[[user]]\nname = 'bob '\npasswort = 'x'\npassword = 'hunter2'\nhome = 'nowhere'\n\
                    [[user]]\nread-only = 'yes'\n[server]\n";
        let mistakes = load(text).expect_err("mistakes");
        let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        let expected = [
            (8, "unknown key `server`"),
            (3, "unknown key `user[0].passwort`"),
            (2, "`user[0].name`"),
            (4, "`user[0].password` is not a password hash"),
            (5, "`user[0].home`"),
            (6, "`user[1].name` is missing"),
            (6, "`user[1].password` is missing"),
            (6, "`user[1].home` is missing"),
            (7, "`user[1].read-only` is no flag"),
        ];
        for (line, text) in expected {
            let place = format!("users.toml:{line}");
            let found = mistakes.iter().any(|m| m.what.contains(text) && m.place.as_ref().unwrap().ends_with(&place));
            assert!(found, "{line} {text}: {told:#?}");
        }
        assert_eq!(mistakes.len(), expected.len(), "{told:#?}");
        assert!(told.iter().any(|told| told.contains("did you mean `password`?")), "{told:#?}");
        assert!(!told.iter().any(|told| told.contains("hunter2")), "no value of a password: {told:#?}");
    }

    #[test]
    fn a_name_that_is_there_twice_is_a_mistake() {
        let row = format!("[[user]]\nname='alice'\npassword='{HASH}'\nhome='alice'\n");
        let mistakes = load(&format!("{row}{row}")).expect_err("twice");
        assert!(mistakes[0].what.contains("twice"), "{mistakes:?}");
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        let folder = tempfile::tempdir().expect("dir");
        let file = folder.path().join("users.toml");
        std::fs::write(&file, "").expect("write");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o664)).expect("mode");
        let mistakes = Users::read(&file, &[], None).expect_err("writable");
        assert!(mistakes[0].to_string().contains("chmod"), "{mistakes:?}");
    }

    #[test]
    fn text_that_is_no_toml_is_told_with_its_line() {
        let mistakes = load("[[user]]\nname = \n").expect_err("no TOML");
        assert!(mistakes[0].to_string().contains("users.toml:2"), "{mistakes:?}");
    }
}
