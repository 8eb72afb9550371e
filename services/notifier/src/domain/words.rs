//! Texts: a catalogue for each language (`texts/*.ftl`, Fluent), filled with figures.

use std::borrow::Cow;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use indowater_common::domain::zone::Zone;

use super::content::Content;
use super::figures::Figure;
use super::person::Language;

/// A message as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// In a line.
    pub title: String,
    /// In a few sentences.
    pub message: String,
}

/// The texts of every language.
pub struct Catalogue {
    bundles: [(Language, FluentBundle<FluentResource>); 2],
}

impl Catalogue {
    /// Reads the texts that the service comes with.
    ///
    /// # Errors
    /// One of them is no Fluent, which its tests would have shown.
    pub fn open() -> Result<Self, String> {
        let indonesian = bundle(Language::Indonesian, include_str!("../../texts/id.ftl"))?;
        let english = bundle(Language::English, include_str!("../../texts/en.ftl"))?;
        Ok(Self { bundles: [(Language::Indonesian, indonesian), (Language::English, english)] })
    }

    /// A message, in `language` and with the times of `zone`.
    pub fn text(&self, content: &Content, language: Language, zone: &Zone) -> Text {
        let (name, figures) = (content.kind().name(), content.figures());
        let part = |part: &str| self.phrase(language, zone, &format!("{name}-{part}"), &figures);
        Text { title: part("title"), message: part("message") }
    }

    /// The parameters of the kind's WhatsApp template, in their order. Where a figure is not known a dash stands.
    pub fn parameters(content: &Content, language: Language, zone: &Zone) -> Vec<String> {
        let written = |(_, figure): (_, Figure<'_>)| match figure {
            Figure::Choice("none") | Figure::Count(-1) => "-".to_owned(),
            known => known.written(language, zone),
        };
        content.figures().into_iter().map(written).collect()
    }

    /// A text by its name; the name itself where there is none, which the tests exclude.
    pub fn phrase(
        &self,
        language: Language,
        zone: &Zone,
        name: &str,
        figures: &[(&str, Figure<'_>)],
    ) -> String {
        let found = self.bundles.iter().find(|(of, _)| *of == language);
        let Some((bundle, pattern)) =
            found.and_then(|(_, bundle)| Some((bundle, bundle.get_message(name)?.value()?)))
        else {
            return name.to_owned();
        };
        let mut args = FluentArgs::new();
        for (key, figure) in figures {
            if let Figure::Count(count) = figure {
                args.set(format!("{key}-count"), FluentValue::from(*count));
            }
            args.set(Cow::from((*key).to_owned()), figure.written(language, zone));
        }
        bundle.format_pattern(pattern, Some(&args), &mut Vec::new()).into_owned()
    }
}

fn bundle(language: Language, text: &str) -> Result<FluentBundle<FluentResource>, String> {
    let resource = FluentResource::try_new(text.to_owned()).map_err(|(_, errors)| format!("{errors:?}"))?;
    let locale = language.code().parse().map_err(|error| format!("{error}"))?;
    let mut bundle = FluentBundle::new_concurrent(vec![locale]);
    // Marks of direction are for texts that mix directions; mail and templates show them as boxes.
    bundle.set_use_isolating(false);
    bundle.add_resource(resource).map_err(|errors| format!("{errors:?}"))?;
    Ok(bundle)
}
