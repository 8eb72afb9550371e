//! What lies in somebody's inbox, and what can be read beside it.

use jiff::Timestamp;

/// A document of `notifications`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Its id.
    pub id: String,
    /// Whose inbox.
    pub user_id: String,
    /// `info`, `warning`, `success` or `error`.
    pub tone: String,
    /// In a line.
    pub title: String,
    /// In a few sentences.
    pub message: String,
    /// Where the console shows more; empty: nowhere.
    pub link: String,
    /// Whether somebody looked.
    pub read: bool,
    /// When it came.
    pub created_at: Timestamp,
    /// When somebody looked.
    pub read_at: Option<Timestamp>,
}

/// A document of `water_saving_tips`: in Indonesian, and in English where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its id.
    pub id: String,
    /// In a line.
    pub title: String,
    /// In a few sentences.
    pub description: String,
    /// `bathroom`, `kitchen`, `outdoor` or `general`.
    pub category: String,
    /// `low`, `medium` or `high`.
    pub impact_level: String,
    /// In a few words.
    pub estimated_savings: String,
    /// The title in English; empty where nobody wrote it. So for the next two.
    pub title_en: String,
    /// The description in English.
    pub description_en: String,
    /// The savings in English.
    pub estimated_savings_en: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// How often it was shown.
    pub shown: i64,
    /// How many readers found it helpful.
    pub helpful: i64,
}
