//! Generates the messages of all services once more, for HTTP: with serde and schema as the options in
//! `indowater/api/v1/options.proto` say, what each value of an enum is called, whose a message is, and who may see which
//! of its fields.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, FileDescriptor,
    Kind, MessageDescriptor, ReflectMessage,
};

const FORMS: &str = "crate::wire::form";

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.join("indowater").display());
    let mut files = Vec::new();
    collect(&root.join("indowater"), &mut files)?;
    files.sort();
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_source_info(true).include_imports(true).open_files(&files)?;
    let options = Options::of(compiler.descriptor_pool())?;
    let mut generator = tonic_prost_build::configure().build_server(false);
    let mut traits = String::new();
    for message in options.pool.all_messages().filter(|message| ours(message.package_name())) {
        if let Some(shown) = options.shown(&message) {
            let about = comment(&message.parent_file(), message.path(), true);
            let name = text(&shown, "name").map(|name| format!("as = {name}, ")).unwrap_or_default();
            let derive = "#[derive(serde::Serialize, utoipa::ToSchema)]";
            let schema = format!("{derive} #[schema({name}description = {about:?})]");
            generator = generator.message_attribute(message.full_name(), schema);
            for field in message.fields() {
                generator = generator.field_attribute(field.full_name(), options.attributes(&field)?);
            }
            redaction(&options, &message, &mut traits)?;
        }
        answers(&message, &mut traits)?;
    }
    for words in options.pool.all_enums().filter(|words| ours(words.package_name())) {
        vocabulary(&words, &mut traits)?;
    }
    let packages: BTreeSet<String> = options
        .pool
        .files()
        .map(|file| file.package_name().to_owned())
        .filter(|package| ours(package))
        .collect();
    // The build script's environment is its interface.
    #[allow(clippy::disallowed_methods)]
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("traits.rs"), traits)?;
    std::fs::write(out.join("packages.rs"), modules(&packages)?)?;
    generator.compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// A module for each package, as `billing::v1`.
fn modules(packages: &BTreeSet<String>) -> Result<String, std::fmt::Error> {
    let mut modules = String::new();
    for package in packages {
        let path: Vec<&str> = package.split('.').skip(1).collect();
        let (open, close) = (path.join(" { pub mod "), "}".repeat(path.len()));
        let lints = "missing_docs, clippy::all, clippy::pedantic, unused_qualifications, dead_code";
        let code = format!("include!(concat!(env!(\"OUT_DIR\"), \"/{package}.rs\"));");
        writeln!(modules, "#[allow({lints})] pub mod {open} {{ {code} {close}")?;
    }
    Ok(modules)
}

/// Whether the messages of a package are ours to show, and not the options that say so.
fn ours(package: &str) -> bool {
    package.starts_with("indowater.") && package != "indowater.api.v1"
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "proto") {
            files.push(path);
        }
    }
    Ok(())
}

/// The options that messages and fields carry.
struct Options {
    pool: DescriptorPool,
    message: ExtensionDescriptor,
    field: ExtensionDescriptor,
}

impl Options {
    fn of(pool: DescriptorPool) -> Result<Self, String> {
        let extension = |name: &str| pool.get_extension_by_name(name).ok_or(format!("{name} is not there"));
        let (message, field) = (extension("indowater.api.v1.shown")?, extension("indowater.api.v1.field")?);
        Ok(Self { pool, message, field })
    }

    fn shown(&self, message: &MessageDescriptor) -> Option<DynamicMessage> {
        let options = message.options();
        options
            .has_extension(&self.message)
            .then(|| options.get_extension(&self.message).as_message().cloned())?
    }

    fn of_field(&self, field: &FieldDescriptor) -> Option<DynamicMessage> {
        field.options().get_extension(&self.field).as_message().cloned()
    }

    /// The attributes of a field of a message that is shown.
    fn attributes(&self, field: &FieldDescriptor) -> Result<String, String> {
        let options = self.of_field(field).ok_or("a field's options are no message")?;
        if is(&options, "hidden") {
            return Ok("#[serde(skip)]".to_owned());
        }
        let always = format(&options) == "TRUE_BY_DEFAULT";
        let nullable = is(&options, "nullable") || (is_scalar_option(field) && !always);
        // What is taken away leaves null or an empty list.
        if is(&options, "for_administrators") && !nullable && !field.is_list() {
            return Err(format!("{} is for administrators and not nullable", field.full_name()));
        }
        let (mut serde, mut schema) = (Vec::new(), Vec::new());
        if let Some(name) = text(&options, "name") {
            serde.push(format!("rename = \"{name}\""));
        }
        if is(&options, "flatten") {
            serde.push("flatten".to_owned());
        }
        let (form, kind, rest) = self.form(field, &options)?;
        if let Some(form) = form {
            let null = if nullable { "_or_null" } else { "" };
            let (form, generics) = form
                .split_once("::<")
                .map_or((form.as_str(), String::new()), |(form, of)| (form, format!("::<{of}")));
            serde.push(format!("serialize_with = \"{FORMS}::{form}{null}{generics}\""));
        }
        if let Some(kind) = kind {
            let kind = if field.is_list() { format!("Vec<{kind}>") } else { kind };
            schema.push(format!("value_type = {}", if nullable { format!("Option<{kind}>") } else { kind }));
        }
        if nullable {
            schema.push("required = true".to_owned());
        }
        schema.extend(rest.map(str::to_owned));
        if let Some(example) = text(&options, "example") {
            let plain = matches!(field.kind(), Kind::Int64 | Kind::Int32 | Kind::Uint32 | Kind::Bool);
            let moment = rest.is_some();
            schema.push(if plain && !moment {
                format!("example = {example}")
            } else {
                format!("example = {example:?}")
            });
        }
        let mut attributes = String::new();
        for (name, parts) in [("serde", serde), ("schema", schema)] {
            if !parts.is_empty() {
                attributes += &format!("#[{name}({})]", parts.join(", "));
            }
        }
        if is(&options, "for_administrators") {
            attributes += "#[doc = \" Shown to administrators only.\"]";
        }
        Ok(attributes)
    }

    /// By which function of `wire::form` a field is written, of which type its schema is, and what else that says.
    fn form(&self, field: &FieldDescriptor, options: &DynamicMessage) -> Result<Form, String> {
        let form = |form: &str, kind: &str, rest| (Some(form.to_owned()), Some(kind.to_owned()), rest);
        let in_words = |words: &EnumDescriptor| {
            let name = rust(words.full_name());
            let form = if field.is_list() { "words" } else { "word" };
            let generics = if field.is_list() { "_" } else { "_, _" };
            (Some(format!("{form}::<{name}, {generics}>")), Some(name), None)
        };
        if let Some(words) = text(options, "words") {
            let words = self.pool.get_enum_by_name(&words).ok_or(format!("{words} is no enum"))?;
            return Ok(in_words(&words));
        }
        Ok(match (format(options).as_str(), field.kind()) {
            ("MOMENT", _) => form("moment", "String", Some("format = DateTime")),
            ("DATE", _) => form("date", "String", Some("format = Date")),
            ("MONTH", _) => form("text", "String", Some(r#"pattern = "^[0-9]{4}-[0-9]{2}$""#)),
            ("VOLUME", _) => form("volume", "crate::wire::CubicMetres", None),
            ("RUPIAH", _) => form("decimal", "crate::wire::Rupiah", None),
            ("DECIMAL", _) => form("decimal", "String", Some(r#"format = "decimal""#)),
            ("EMAIL", _) => (None, None, Some("format = Email")),
            ("URI", _) => form("text", "String", Some(r#"format = "uri""#)),
            ("NOT", _) => form("not", "bool", None),
            ("TRUE_BY_DEFAULT", _) => form("true_by_default", "bool", None),
            (_, Kind::Enum(words)) => in_words(&words),
            (_, Kind::Message(of)) if field.is_list() => (None, Some(rust(of.full_name())), None),
            (_, Kind::Message(of)) if is(options, "nullable") => (None, Some(rust(of.full_name())), None),
            (_, Kind::Message(of)) => form("present", &rust(of.full_name()), None),
            (_, Kind::String) if is(options, "nullable") && !is_scalar_option(field) => {
                form("text", "String", None)
            }
            _ => (None, None, None),
        })
    }
}

type Form = (Option<String>, Option<String>, Option<&'static str>);

fn text(options: &DynamicMessage, name: &str) -> Option<String> {
    let value = options.get_field_by_name(name)?.as_str()?.to_owned();
    Some(value).filter(|value| !value.is_empty())
}

/// The format of a field, as `MOMENT`.
fn format(options: &DynamicMessage) -> String {
    let number = options.get_field_by_name("format").and_then(|format| format.as_enum_number()).unwrap_or(0);
    let field = options.descriptor().get_field_by_name("format");
    let value = field.and_then(|field| field.kind().as_enum().and_then(|formats| formats.get_value(number)));
    value.map(|value| value.name().trim_start_matches("FORMAT_").to_owned()).unwrap_or_default()
}

fn is(options: &DynamicMessage, name: &str) -> bool {
    options.get_field_by_name(name).and_then(|value| value.as_bool()).unwrap_or(false)
}

/// Whether prost makes an `Option` of a field that is no message.
fn is_scalar_option(field: &FieldDescriptor) -> bool {
    field.supports_presence()
        && field.containing_oneof().is_some()
        && !matches!(field.kind(), Kind::Message(_))
}

/// The path in Rust of a message or enum.
fn rust(full_name: &str) -> String {
    full_name.replacen("indowater", "crate::wire", 1).replace('.', "::")
}

fn ident(field: &FieldDescriptor) -> String {
    if field.name() == "type" { "r#type".to_owned() } else { field.name().to_owned() }
}

/// Who may see what of a message.
fn redaction(options: &Options, message: &MessageDescriptor, out: &mut String) -> Result<(), Box<dyn Error>> {
    let mut for_others = String::new();
    let mut inside = String::new();
    for field in message.fields() {
        let said = options.of_field(&field).ok_or("a field's options are no message")?;
        let name = ident(&field);
        if is(&said, "for_administrators") {
            write!(for_others, "self.{name} = Default::default();")?;
        } else if let (Kind::Message(_), false) = (field.kind(), is(&said, "hidden")) {
            write!(
                inside,
                "self.{name}.iter_mut().for_each(|part| crate::wire::Shown::redact(part, role));"
            )?;
        }
    }
    if !for_others.is_empty() {
        for_others = format!("if role != crate::access::Role::Administrator {{ {for_others} }}");
    }
    let body = for_others + &inside;
    let role = if body.is_empty() { "_" } else { "role" };
    let name = rust(message.full_name());
    writeln!(
        out,
        "impl crate::wire::Shown for {name} {{ fn redact(&mut self, {role}: crate::access::Role) {{ {body} }} }}"
    )?;
    Ok(())
}

/// Whose a message is, what an answer holds, and what a page of answers.
fn answers(message: &MessageDescriptor, out: &mut String) -> std::fmt::Result {
    let name = rust(message.full_name());
    let answer = name.ends_with("Response");
    if message.get_field_by_name("customer_id").is_some_and(|owner| !is_scalar_option(&owner)) && !answer {
        writeln!(
            out,
            "impl crate::access::Owned for {name} {{ fn customer_id(&self) -> &str {{ &self.customer_id }} }}"
        )?;
    }
    let mut messages = message.fields().filter_map(|field| match field.kind() {
        Kind::Message(of) => Some((field, rust(of.full_name()))),
        _ => None,
    });
    let (Some((field, item)), None, true) = (messages.next(), messages.next(), answer) else {
        return Ok(());
    };
    let held = ident(&field);
    if field.is_list() {
        let token =
            message.get_field_by_name("next_page_token").map_or("String::new()", |_| "self.next_page_token");
        writeln!(
            out,
            "impl crate::wire::Page for {name} {{ type Item = {item};
            fn into_items(self) -> (Vec<{item}>, String) {{ (self.{held}, {token}) }} }}"
        )
    } else {
        writeln!(
            out,
            "impl crate::wire::Single for {name} {{ type Item = {item};
            fn into_item(self) -> Option<{item}> {{ self.{held} }} }}"
        )
    }
}

/// What each value of an enum is called, but for the unspecified one.
fn vocabulary(words: &EnumDescriptor, out: &mut String) -> std::fmt::Result {
    let name = rust(words.full_name());
    let values: Vec<_> = words.values().collect();
    let prefix =
        values.first().and_then(|value| value.name().strip_suffix("UNSPECIFIED")).unwrap_or_default();
    write!(
        out,
        "crate::wire::form::vocabulary! {{ {name}, {:?}, [",
        comment(&words.parent_file(), words.path(), true)
    )?;
    for value in values.iter().filter(|value| value.number() != 0) {
        let word = value.name().strip_prefix(prefix).unwrap_or(value.name());
        let variant: String =
            word.split('_').map(|part| part[..1].to_owned() + &part[1..].to_lowercase()).collect();
        let comment = comment(&words.parent_file(), value.path(), false);
        write!(out, "({variant}, {:?}, {comment:?}),", word.to_lowercase())?;
    }
    writeln!(out, "] }}")
}

/// The comment of what stands at `path` in a file; only its first paragraph if wanted.
fn comment(file: &FileDescriptor, path: &[i32], first: bool) -> String {
    let places = file.file_descriptor_proto().source_code_info.iter().flat_map(|info| &info.location);
    let comment = places.filter(|place| place.path == path).find_map(|place| place.leading_comments.clone());
    let comment = comment.unwrap_or_default();
    let wanted = if first { comment.split("\n\n").next().unwrap_or_default() } else { &comment };
    wanted.split_whitespace().collect::<Vec<_>>().join(" ")
}
