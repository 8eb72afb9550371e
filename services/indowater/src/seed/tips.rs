//! Tips for saving water, in the customers' language.

use anyhow::Result;
use bson::{Document, doc};
use indowater_common::mongo::to_bson_time;
use jiff::Timestamp;
use mongodb::Database;

use super::insert_missing;

struct Tip {
    title: &'static str,
    description: &'static str,
    category: &'static str,
    impact_level: &'static str,
    estimated_savings: &'static str,
}

const fn tip(
    category: &'static str,
    impact_level: &'static str,
    estimated_savings: &'static str,
    title: &'static str,
    description: &'static str,
) -> Tip {
    Tip { title, description, category, impact_level, estimated_savings }
}

const TIPS: [Tip; 13] = [
    tip(
        "bathroom",
        "high",
        "40-60 liter per orang per hari",
        "Ganti gayung dengan pancuran hemat air",
        "Mandi lima menit dengan pancuran hemat air (7 liter per menit) memakai sekitar 35 liter; mandi dengan gayung \
         dari bak biasanya 60 sampai 90 liter. Matikan pancuran saat menyabuni badan.",
    ),
    tip(
        "bathroom",
        "high",
        "hingga 200 liter per hari",
        "Periksa kebocoran kloset dengan pewarna makanan",
        "Teteskan pewarna makanan ke dalam tangki. Bila air di mangkuk berubah warna dalam 15 menit tanpa disiram, \
         katup tangki bocor. Penggantian karetnya murah dan dapat dilakukan sendiri.",
    ),
    tip(
        "bathroom",
        "medium",
        "15-25 liter per orang per hari",
        "Pakai kloset dengan dua tombol siram",
        "Siraman kecil memakai 3 liter, siraman penuh 6 liter. Untuk kloset lama, letakkan botol berisi air 1 liter di \
         dalam tangki agar setiap siraman lebih hemat.",
    ),
    tip(
        "bathroom",
        "medium",
        "10-12 liter per orang per hari",
        "Tutup keran saat menyikat gigi",
        "Keran yang terbuka mengalirkan sekitar 6 liter setiap menit. Pakailah satu gelas air untuk berkumur.",
    ),
    tip(
        "bathroom",
        "low",
        "3-5 liter setiap kali wudu",
        "Wudu dengan aliran kecil",
        "Buka keran seperempat saja, atau tampung air dalam wadah kecil. Satu sampai dua liter sudah cukup untuk wudu \
         yang sempurna.",
    ),
    tip(
        "kitchen",
        "medium",
        "20-30 liter per hari",
        "Cuci piring dengan dua wadah",
        "Rendam dan sabuni di wadah pertama, bilas di wadah kedua. Mencuci di bawah keran yang mengalir memakai air \
         tiga kali lebih banyak.",
    ),
    tip(
        "kitchen",
        "low",
        "5-10 liter per hari",
        "Pakai lagi air cucian sayur dan beras",
        "Air cucian beras dan sayur tidak bersabun dan baik untuk menyiram tanaman. Tampung dalam ember di dekat bak \
         cuci.",
    ),
    tip(
        "kitchen",
        "medium",
        "60 liter setiap kali mencuci",
        "Jalankan mesin cuci saat penuh",
        "Satu putaran memakai 50 sampai 100 liter, penuh atau tidak. Kumpulkan cucian, dan pakai air bilasan terakhir \
         untuk mengepel.",
    ),
    tip(
        "outdoor",
        "medium",
        "50-100 liter setiap kali menyiram",
        "Siram tanaman sebelum pukul tujuh pagi atau sore hari",
        "Di siang hari sepertiga air menguap sebelum sampai ke akar. Gunakan gembor, bukan selang, dan lapisi tanah \
         dengan daun kering.",
    ),
    tip(
        "outdoor",
        "high",
        "100-150 liter setiap kali mencuci",
        "Cuci kendaraan dengan ember dan lap",
        "Selang yang terbuka selama sepuluh menit menghabiskan 150 liter. Dua ember cukup untuk sepeda motor, empat \
         untuk mobil.",
    ),
    tip(
        "outdoor",
        "high",
        "hingga 1.000 liter setiap hujan",
        "Tampung air hujan dari talang",
        "Atap seluas 50 meter persegi mengumpulkan sekitar 1.000 liter dari hujan 20 milimeter. Pakailah untuk menyiram \
         tanaman dan membersihkan halaman; tutup rapat tandonnya agar tidak menjadi sarang nyamuk.",
    ),
    tip(
        "general",
        "high",
        "30 liter per hari untuk setiap keran",
        "Perbaiki keran yang menetes",
        "Satu tetes setiap detik menjadi sekitar 30 liter sehari, hampir satu meter kubik sebulan. Biasanya cukup \
         mengganti karet keran.",
    ),
    tip(
        "general",
        "high",
        "kebocoran diketahui dalam satu malam",
        "Baca meter sebelum dan sesudah tidur",
        "Bila angka meter berubah di malam hari padahal tidak ada yang memakai air, ada kebocoran. Lihat pula pemakaian \
         per jam di aplikasi: rumah yang sehat memiliki jam-jam tanpa aliran.",
    ),
];

/// Creates the tips that are not there yet. Returns how many were new.
pub(super) async fn create(database: &Database, now: Timestamp) -> Result<usize> {
    let documents = (1..).zip(&TIPS).map(|(number, tip)| document(number, tip, now)).collect();
    insert_missing(database, "water_saving_tips", documents).await
}

fn document(number: u32, tip: &Tip, now: Timestamp) -> Document {
    let id = format!("tip-{number:03}");
    doc! {
        "_id": &id,
        "id": &id,
        "title": tip.title,
        "description": tip.description,
        "category": tip.category,
        "impact_level": tip.impact_level,
        "estimated_savings": tip.estimated_savings,
        "created_at": to_bson_time(now),
    }
}
