//! The members of a usage object as counts: in range and whole, or the usage is not taken, and the flags say why.

use super::capture::{Doc, Field, Leaf};
use super::count::Count;
use super::flags::{Flag, Flags};
use crate::decimal::DecimalError;

/// Reads the members of one usage object as counts.
#[derive(Debug)]
pub struct Numbers<'a> {
    doc: &'a Doc,
    root: &'a str,
    flags: Flags,
    broken: bool,
}

impl<'a> Numbers<'a> {
    /// The members of the object at `root`; `""` is the document itself. `None` when no object stands there: a usage
    /// of `null` is not yet one.
    pub fn of(doc: &'a Doc, root: &'a str, flags: &mut Flags) -> Option<Self> {
        match doc.get(root) {
            Some(Leaf::Open) => {}
            Some(Leaf::Null) => return None,
            None if root.is_empty() => {}
            None => return None,
            Some(_) => {
                flags.set(Flag::NotANumber);
                return None;
            }
        }
        Some(Self { doc, root, flags: Flags::NONE, broken: false })
    }

    fn find(&self, name: &str) -> Option<&'a Leaf> {
        let root = self.root;
        let is = |path: &str| match path.strip_prefix(root) {
            Some(rest) if root.is_empty() => rest == name,
            Some(rest) => rest.strip_prefix('/') == Some(name),
            None => false,
        };
        self.doc.all().rev().find(|field| is(&field.path)).map(|field| &field.leaf)
    }

    /// The count at `name`, times 10^`power`.
    pub fn scaled(&mut self, name: &str, power: i32) -> Option<Count> {
        let leaf = self.find(name)?;
        self.read(leaf, power)
    }

    /// The count at `name`.
    pub fn get(&mut self, name: &str) -> Option<Count> {
        self.scaled(name, 0)
    }

    /// The first of these names that has a count.
    pub fn first(&mut self, names: &[&str]) -> Option<Count> {
        names.iter().find_map(|name| self.get(name))
    }

    /// The first of these names that has a count, or zero.
    pub fn or_zero(&mut self, names: &[&str]) -> Count {
        self.first(names).unwrap_or_default()
    }

    /// The text at `name`.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        match self.find(name) {
            Some(Leaf::Text(text)) => text.as_deref(),
            _ => None,
        }
    }

    /// The sum of the counts `number` in those elements of the list `list` whose `label` is one of `labels`.
    pub fn sum_of(&mut self, list: &str, label: &str, labels: &[&str], number: &str) -> Count {
        let under = |field: &'a Field, name: &str| {
            let rest = if self.root.is_empty() {
                Some(field.path.as_str())
            } else {
                field.path.strip_prefix(self.root).and_then(|rest| rest.strip_prefix('/'))
            };
            let rest =
                rest.and_then(|rest| rest.strip_prefix(list)).and_then(|rest| rest.strip_prefix("/[]/"));
            rest == Some(name)
        };
        let mut found = Vec::new();
        for field in self.doc.all().filter(|field| under(field, label)) {
            let Leaf::Text(Some(text)) = &field.leaf else { continue };
            if labels.iter().any(|label| text.eq_ignore_ascii_case(label)) {
                let mut all = self.doc.all().rev();
                found.extend(all.find(|other| other.item == field.item && under(other, number)));
            }
        }
        let counts = found.into_iter().filter_map(|field| self.read(&field.leaf, 0));
        counts.fold(Count::ZERO, Count::plus)
    }

    fn read(&mut self, leaf: &Leaf, power: i32) -> Option<Count> {
        let fault = match leaf {
            Leaf::Null => return None,
            Leaf::Number(text) => match Count::parse(text, power) {
                Ok((count, exact)) => {
                    // Parts of a second are no oddity, parts of a token are.
                    if !exact && power == 0 {
                        self.flags.set(Flag::Fractional);
                    }
                    return Some(count);
                }
                Err(DecimalError::NotANumber) => Flag::NotANumber,
                Err(DecimalError::Negative) => Flag::Negative,
                Err(DecimalError::OutOfRange) => Flag::OutOfRange,
            },
            Leaf::Open | Leaf::Bool(_) | Leaf::Text(_) => Flag::NotANumber,
        };
        self.flags.set(fault);
        self.broken = true;
        None
    }

    /// Adds what was odd to `flags`; whether the numbers can be used.
    pub fn sound(self, flags: &mut Flags) -> bool {
        *flags = flags.union(self.flags);
        !self.broken
    }
}
