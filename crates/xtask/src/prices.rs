//! Converts the data of the `genai-prices` crate (MIT) into the integer catalogue of the core, once, when somebody runs
//! it: the file is committed, and reviewed as a difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tollgate_core::price::{
    Catalogue, CatalogueFile, Daily, FORMAT, Model, Price, Provider, Rate, Row, Rule, Source, Unit,
};
use tollgate_core::usage::{Count, ServiceTier};

/// The crate whose data is converted.
const PACKAGE: &str = "genai-prices";

/// A provider in the crate's data. Members that are for people or for extractors are passed over.
#[derive(Deserialize)]
struct TheirProvider<'a> {
    id: String,
    name: String,
    #[serde(default)]
    provider_match: Option<Value>,
    #[serde(default)]
    model_match: Option<Value>,
    #[serde(default)]
    fallback_model_providers: Vec<String>,
    #[serde(borrow)]
    models: Vec<TheirModel<'a>>,
}

#[derive(Deserialize)]
struct TheirModel<'a> {
    id: String,
    #[serde(rename = "match")]
    rule: Value,
    #[serde(default)]
    context_window: Option<u32>,
    #[serde(borrow)]
    prices: TheirPrices<'a>,
    #[serde(default, borrow)]
    price_variants: Vec<TheirRow<'a>>,
}

/// A number as its text: never a floating point one.
type Number<'a> = &'a RawValue;
type PriceMap<'a> = BTreeMap<String, Number<'a>>;

#[derive(Deserialize)]
struct TheirRow<'a> {
    #[serde(default)]
    constraint: Option<Constraint>,
    #[serde(default)]
    when: BTreeMap<String, String>,
    #[serde(borrow)]
    prices: PriceMap<'a>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Constraint {
    From { start_date: String },
    Daily { start_time: String, end_time: String },
}

/// What the data has and the catalogue has not, for the person who runs this.
#[derive(Default)]
struct Notes {
    unpriced: BTreeMap<String, usize>,
    rounded: usize,
}

enum TheirPrices<'a> {
    One(PriceMap<'a>),
    Several(Vec<TheirRow<'a>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for TheirPrices<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let parsed = if raw.get().starts_with('[') {
            serde_json::from_str(raw.get()).map(Self::Several)
        } else {
            serde_json::from_str(raw.get()).map(Self::One)
        };
        parsed.map_err(serde::de::Error::custom)
    }
}

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tollgate-core/data/prices.json")
}

/// Converts the locked version of the crate; with `check`, fails when the committed file is another.
pub fn run(check: bool) -> anyhow::Result<()> {
    let (version, data) = package()?;
    let (text, notes) = convert(&version, &data)?;
    for (what, count) in &notes.unpriced {
        println!("prices: no price for {count} × {what}");
    }
    println!("prices: {} prices were rounded up to a femto-dollar", notes.rounded);
    println!("prices: {PACKAGE} {version}, {} bytes", text.len());
    let path = committed();
    if check {
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        ensure!(old == text, "{} is not what `cargo xtask prices` writes", path.display());
        return Ok(());
    }
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(&path, text).with_context(|| format!("{}", path.display()))
}

/// The version and the data of the crate, as cargo has fetched and verified it.
fn package() -> anyhow::Result<(String, String)> {
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()
        .context("cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let package = packages.iter().find(|package| package["name"] == PACKAGE);
    let package = package.with_context(|| format!("{PACKAGE} is not in the lock file"))?;
    let manifest = package["manifest_path"].as_str().context("no manifest_path")?;
    let version = package["version"].as_str().context("no version")?;
    ensure!(package["license"] == "MIT", "the licence of {PACKAGE} has changed: {}", package["license"]);
    let data = Path::new(manifest).with_file_name("data").join("prices.json");
    let text = std::fs::read_to_string(&data).with_context(|| format!("{}", data.display()))?;
    Ok((version.to_owned(), text))
}

/// The catalogue's text: one line for a model, so that a new version can be read as a difference.
fn convert(version: &str, data: &str) -> anyhow::Result<(String, Notes)> {
    let theirs: Vec<TheirProvider<'_>> = serde_json::from_str(data)?;
    let mut notes = Notes::default();
    let mut providers = Vec::new();
    for theirs in theirs {
        let id = theirs.id.clone();
        providers.push(provider(theirs, &mut notes).with_context(|| format!("provider {id}"))?);
    }
    let known: BTreeSet<String> = providers.iter().map(|provider| provider.id.clone()).collect();
    for provider in &providers {
        let lost = provider.fallbacks.iter().find(|id| !known.contains(*id));
        ensure!(lost.is_none(), "{} falls back to {lost:?}, which is not there", provider.id);
    }
    let source = Source {
        name: PACKAGE.to_owned(),
        version: version.to_owned(),
        license: "MIT".to_owned(),
        url: "https://github.com/pydantic/genai-prices".to_owned(),
    };
    let file = CatalogueFile { format: FORMAT, source, providers };
    let text = write(&file)?;
    Catalogue::parse(0, &text).context("what was written cannot be read")?;
    Ok((text, notes))
}

fn write(file: &CatalogueFile) -> anyhow::Result<String> {
    let source = serde_json::to_string(&file.source)?;
    let mut text = format!("{{\"format\":{},\"source\":{source},\"providers\":[\n", file.format);
    for (n, provider) in file.providers.iter().enumerate() {
        let head = Provider { models: Vec::new(), ..provider.clone() };
        let head = serde_json::to_string(&head)?;
        let head = head.strip_suffix("]}").context("a provider ends with its models")?;
        writeln!(text, "{}{head}", if n == 0 { "" } else { "," })?;
        for (n, model) in provider.models.iter().enumerate() {
            writeln!(text, "{}{}", if n == 0 { "" } else { "," }, serde_json::to_string(model)?)?;
        }
        text.push_str("]}\n");
    }
    text.push_str("]}\n");
    Ok(text)
}

fn provider(theirs: TheirProvider<'_>, notes: &mut Notes) -> anyhow::Result<Provider> {
    let mut models = Vec::new();
    for model in theirs.models {
        let id = model.id.clone();
        models.push(self::model(&theirs.id, model, notes).with_context(|| format!("model {id}"))?);
    }
    Ok(Provider {
        id: theirs.id,
        name: theirs.name,
        names: theirs.provider_match.as_ref().map(rule).transpose()?,
        own: theirs.model_match.as_ref().map(rule).transpose()?,
        fallbacks: theirs.fallback_model_providers,
        models,
    })
}

/// A model. When some of its standard prices are for what is not counted, it has no price rather than a part of one; it
/// stays in the catalogue, so that no rule of another model means its names.
fn model(provider: &str, theirs: TheirModel<'_>, notes: &mut Notes) -> anyhow::Result<Model> {
    let rule = rule(&theirs.rule)?;
    let context = theirs.context_window;
    let standard = match theirs.prices {
        TheirPrices::One(prices) => vec![TheirRow { constraint: None, when: BTreeMap::new(), prices }],
        TheirPrices::Several(rows) => rows,
    };
    let mut rows = Vec::new();
    for one in standard.into_iter().chain(theirs.price_variants) {
        let Some(tier) = tier(&one.when) else {
            *notes.unpriced.entry(format!("prices for {:?}", one.when)).or_default() += 1;
            continue;
        };
        let is_standard = one.when.is_empty();
        let mut row = Row { tier, ..Row::default() };
        match one.constraint {
            None => {}
            Some(Constraint::From { start_date }) => row.from = Some(day(&start_date)? * 86_400_000),
            Some(Constraint::Daily { start_time, end_time }) => {
                row.daily = Some(Daily { from: time(&start_time)?, until: time(&end_time)? });
            }
        }
        for (key, value) in one.prices {
            // The same hours under two names; what is transcribed is input.
            if key == "input_audio_hours" {
                continue;
            }
            match unit(&key) {
                Some(unit) => _ = row.prices.insert(unit, rate(unit, value, notes)?),
                None if is_standard => {
                    *notes.unpriced.entry(format!("model with {key}")).or_default() += 1;
                    return Ok(Model { id: theirs.id, rule, context, rows: Vec::new() });
                }
                None => bail!("a variant has {key} and the standard has not"),
            }
        }
        // Groq charges for ten seconds at least.
        if provider == "groq" && row.prices.contains_key(&Unit::AudioHour) {
            row.least_audio_millis = Some(Count::new(10_000)?);
        }
        if !row.prices.is_empty() {
            rows.push(row);
        }
    }
    if rows.is_empty() {
        *notes.unpriced.entry("model without prices".to_owned()).or_default() += 1;
    }
    Ok(Model { id: theirs.id, rule, context, rows })
}

/// The way of being served that a variant is for; `None` for variants of another kind.
fn tier(when: &BTreeMap<String, String>) -> Option<ServiceTier> {
    let mut all = when.iter();
    match (all.next(), all.next()) {
        (None, _) => Some(ServiceTier::Standard),
        (Some((key, word)), None) if key == "service_tier" || key == "processing" => {
            Some(ServiceTier::of(word))
        }
        _ => None,
    }
}

fn unit(key: &str) -> Option<Unit> {
    Some(match key {
        "input_mtok" => Unit::Input,
        "output_mtok" => Unit::Output,
        "cache_read_mtok" => Unit::CachedRead,
        "cache_audio_read_mtok" => Unit::CachedAudio,
        "cache_image_read_mtok" => Unit::CachedImage,
        "cache_write_mtok" => Unit::CacheWrite,
        "cache_write_1h_mtok" => Unit::CacheWrite1h,
        "input_audio_mtok" => Unit::InputAudio,
        "input_image_mtok" => Unit::InputImage,
        "input_video_mtok" => Unit::InputVideo,
        "output_reasoning_mtok" => Unit::Reasoning,
        "output_audio_mtok" => Unit::OutputAudio,
        "output_image_mtok" => Unit::OutputImage,
        "output_video_mtok" => Unit::OutputVideo,
        "audio_hours" => Unit::AudioHour,
        "input_mchars" => Unit::Character,
        "web_searches_kcount" => Unit::WebSearch,
        "storage_searches_kcount" => Unit::Search,
        "requests_kcount" => Unit::Request,
        _ => return None,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TheirTiers<'a> {
    #[serde(borrow)]
    base: Number<'a>,
    #[serde(borrow)]
    tiers: Vec<TheirTier<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TheirTier<'a> {
    start: i64,
    #[serde(borrow)]
    price: Number<'a>,
}

fn rate(unit: Unit, value: Number<'_>, notes: &mut Notes) -> anyhow::Result<Rate> {
    if !value.get().starts_with('{') {
        return Ok(Rate::flat(price(unit, value, notes)?));
    }
    let theirs: TheirTiers<'_> = serde_json::from_str(value.get())?;
    let mut tiers = Vec::new();
    for tier in &theirs.tiers {
        tiers.push((Count::new(tier.start)?, price(unit, tier.price, notes)?));
    }
    Ok(Rate::tiered(price(unit, theirs.base, notes)?, tiers))
}

fn price(unit: Unit, value: Number<'_>, notes: &mut Notes) -> anyhow::Result<Price> {
    let (price, exact) =
        Price::parse(unit, value.get()).with_context(|| format!("{unit:?}: {}", value.get()))?;
    notes.rounded += usize::from(!exact);
    Ok(price)
}

fn rule(theirs: &Value) -> anyhow::Result<Rule> {
    let object = theirs.as_object().filter(|object| object.len() == 1);
    let (key, value) = object.and_then(|object| object.iter().next()).context("a rule has one member")?;
    let list = || -> anyhow::Result<Vec<Rule>> {
        value.as_array().context("a list of rules")?.iter().map(rule).collect()
    };
    let text = || value.as_str().map(str::to_owned).context("a text");
    Ok(match key.as_str() {
        "equals" => Rule::Equals(text()?),
        "starts_with" => Rule::StartsWith(text()?),
        "ends_with" => Rule::EndsWith(text()?),
        "contains" => Rule::Contains(text()?),
        "regex" => pattern(&text()?)?,
        "and" => Rule::All(list()?),
        "or" => {
            let rules = list()?;
            let names: Option<Vec<String>> = rules
                .iter()
                .map(|rule| match rule {
                    Rule::Equals(name) => Some(name.clone()),
                    _ => None,
                })
                .collect();
            names.map_or(Rule::Any(rules), Rule::OneOf)
        }
        other => bail!("the rule '{other}' is not known"),
    })
}

/// A pattern without look-ahead: `^(?!A)B` are the names that B means and A does not.
fn pattern(text: &str) -> anyhow::Result<Rule> {
    let text = text.replace("\\d", "[0-9]");
    let plain = |text: String| -> anyhow::Result<Rule> {
        Ok(Rule::Pattern(text.clone().try_into().with_context(|| format!("the pattern {text}"))?))
    };
    let Some(rest) = text.strip_prefix("^(?!") else { return plain(text) };
    let mut depth = 1;
    let end = rest.char_indices().find(|(_, character)| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    let (end, _) = end.context("the look-ahead does not end")?;
    let not = Rule::Not(Box::new(plain(format!("^{}", &rest[..end]))?));
    match &rest[end + 1..] {
        "" => Ok(not),
        then => Ok(Rule::All(vec![not, plain(format!("^{then}"))?])),
    }
}

/// Days since the epoch of a date in the Gregorian calendar.
fn day(text: &str) -> anyhow::Result<i64> {
    let parts: Vec<i64> = text.split('-').map(str::parse).collect::<Result<_, _>>()?;
    let [year, month, day] = parts[..] else { bail!("'{text}' is no date") };
    ensure!((1..=12).contains(&month) && (1..=31).contains(&day), "'{text}' is no date");
    // Years that begin in March have their odd day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    Ok(365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468)
}

/// Seconds since midnight of a time such as `00:30:00Z`.
fn time(text: &str) -> anyhow::Result<u32> {
    let clock = text.strip_suffix('Z').with_context(|| format!("'{text}' is no time in UTC"))?;
    let parts: Vec<u32> = clock.split(':').map(str::parse).collect::<Result<_, _>>()?;
    let [hours, minutes, seconds] = parts[..] else { bail!("'{text}' is no time") };
    ensure!(hours < 24 && minutes < 60 && seconds < 60, "'{text}' is no time");
    Ok(hours * 3600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_committed_catalogue_is_what_the_crate_says() {
        run(true).unwrap();
        assert!(std::fs::metadata(committed()).unwrap().len() < 1_500_000);
    }

    #[test]
    fn numbers_are_taken_as_they_are_written() {
        let data = r#"[{"id":"p","name":"P","models":[{"id":"m","match":{"or":[{"equals":"m"},{"equals":"n"}]},
            "prices":[{"prices":{"input_mtok":0.041666666666666664,"output_mtok":3}},
                      {"constraint":{"start_date":"2026-10-14"},"prices":{"input_mtok":{"base":1,"tiers":[{"start":200000,"price":0.1}]}}},
                      {"constraint":{"start_time":"16:30:00Z","end_time":"00:30:00Z"},"prices":{"input_mtok":2}}],
            "price_variants":[{"when":{"processing":"batch"},"prices":{"input_mtok":0.5}},
                              {"when":{"service_tier":"default"},"prices":{}},
                              {"when":{"route":"eu"},"prices":{"input_mtok":9}}]},
            {"id":"o","match":{"equals":"o"},"prices":{"input_mtok":1,"input_document_kpages":1}}]}]"#;
        let (text, notes) = convert("9", data).unwrap();
        let expected = [
            r#"{"format":1,"source":{"name":"genai-prices","version":"9","license":"MIT","url":"https://github.com/pydantic/genai-prices"},"providers":["#,
            r#"{"id":"p","name":"P","models":["#,
            r#"{"id":"m","match":{"one_of":["m","n"]},"rows":[{"prices":{"input":41666667,"output":3000000000}},{"from":1791936000000,"prices":{"input":{"base":1000000000,"tiers":[[200000,100000000]]}}},{"daily":{"from":59400,"until":1800},"prices":{"input":2000000000}},{"tier":"batch","prices":{"input":500000000}}]}"#,
            r#",{"id":"o","match":{"equals":"o"},"rows":[]}"#,
            "]}",
            "]}",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        assert_eq!(notes.rounded, 1);
        assert_eq!(notes.unpriced.values().sum::<usize>(), 2);
    }

    #[test]
    fn look_aheads_become_rules() {
        let json = |text: &str| serde_json::to_string(&pattern(text).unwrap()).unwrap();
        assert_eq!(json(r"^o[134]\d$"), r#"{"pattern":"^o[134][0-9]$"}"#);
        assert_eq!(json("^(?!.*-[tT](?:$|-))"), r#"{"not":{"pattern":"^.*-[tT](?:$|-)"}}"#);
        assert_eq!(
            json("^(?![^/]+/)(?:a|b)"),
            r#"{"all":[{"not":{"pattern":"^[^/]+/"}},{"pattern":"^(?:a|b)"}]}"#
        );
        assert!(pattern("a(?!b)").is_err());
    }

    #[test]
    fn dates_and_times() {
        let days =
            [("1970-01-01", 0), ("2000-03-01", 11_017), ("2024-02-29", 19_782), ("2026-10-14", 20_740)];
        for (text, expected) in days {
            assert_eq!(day(text).unwrap(), expected, "{text}");
        }
        assert_eq!(time("16:30:00Z").unwrap(), 59_400);
        assert!(day("2026-13-01").is_err() && time("24:00:00Z").is_err() && time("01:00:00").is_err());
    }
}
