# Pesan kepada orang dalam bahasa Indonesia. Angka sudah tertulis untuk pembacanya; `…-count` angka mentah, -1 bila tidak diketahui.

leak_found-title = { $manner ->
    [burst] Air mengalir sangat deras
    [while_away] Air mengalir saat Anda pergi
    [drip] Ada air yang menetes
   *[other] Tampaknya ada kebocoran
}
leak_found-message = { $manner ->
    [burst] Air yang melewati meter Anda jauh lebih banyak dari biasanya: sekitar { $rate } sejak { $since }. Tutuplah keran utama bila Anda tidak sedang memakainya.
    [while_away] Menurut Anda tidak ada orang di rumah, tetapi sekitar { $rate } melewati meter Anda sejak { $since }.
    [drip] Sekitar { $rate } melewati meter Anda siang dan malam sejak { $since }. Biasanya dari keran atau kloset.
    [cyclic] Berulang kali sekitar { $rate } melewati meter Anda tanpa ada yang memakainya, sejak { $since }. Biasanya dari kloset atau pelampung tandon.
   *[other] Sekitar { $rate } melewati meter Anda tanpa henti sejak { $since }.
}{ $cost ->
    [none] { "" }
   *[other] { " " }Itu sekitar { $cost } sehari.
}

leak_worse-title = { $manner ->
    [burst] Kebocoran menjadi sangat deras
   *[other] Kebocoran bertambah besar
}
leak_worse-message = Sekarang sekitar { $rate }; mengalir sejak { $since }.{ $cost ->
    [none] { "" }
   *[other] { " " }Itu sekitar { $cost } sehari.
}{ $manner ->
    [burst] { " " }Tutuplah keran utama bila Anda tidak sedang memakainya.
   *[other] { "" }
}

leak_over-title = Kebocoran sudah berhenti
leak_over-message = Meter Anda kembali tenang. Seluruhnya sekitar { $lost } terbuang, senilai { $cost }.

balance_low-title = Saldo Anda menipis
balance_low-message = Saldo Anda tinggal { $balance }.{ $days-count ->
    [-1] { "" }
    [0] { " " }Dengan pemakaian biasa, cukup untuk kurang dari sehari.
   *[other] { " " }Dengan pemakaian biasa, cukup untuk sekitar { $days } hari lagi.
} Anda meminta diberi tahu pada { $threshold }.

balance_short-title = { $days-count ->
    [0] Saldo Anda cukup untuk kurang dari sehari
   *[other] Saldo Anda cukup untuk { $days } hari lagi
}
balance_short-message = Saldo Anda tinggal { $balance }. Dengan pemakaian biasa, { $days-count ->
    [0] cukup untuk kurang dari sehari.
   *[other] cukup untuk sekitar { $days } hari lagi.
} Isilah sebelum habis.

balance_empty-title = Saldo Anda habis
balance_empty-message = Saldo Anda { $balance }. Silakan isi ulang.

balance_restored-title = Saldo Anda sudah terisi
balance_restored-message = Saldo Anda { $balance }.{ $days-count ->
    [-1] { "" }
    [0] { " " }Dengan pemakaian biasa, cukup untuk kurang dari sehari.
   *[other] { " " }Dengan pemakaian biasa, cukup untuk sekitar { $days } hari.
}

usage_high-title = Pemakaian air tidak seperti biasanya
usage_high-message = Pada { $day } meter Anda mencatat { $volume }.{ $usual ->
    [none] { " " }Anda meminta diberi tahu di atas { $limit }.
   *[other] { " " }Biasanya sekitar { $usual } sehari.
} Bila tidak ada yang memakainya, periksalah keran atau selang yang lupa ditutup.

usage_usual-title = Pemakaian Anda kembali seperti biasa
usage_usual-message = Pemakaian hari terakhir kembali dalam batas biasa.

device_silent-title = Meter Anda tidak terdengar
device_silent-message = Meter Anda{ $location ->
    [none] { "" }
   *[other] { " " }({ $location })
} tidak mengirim apa pun sejak { $since }. Air tetap tercatat, dan terlihat setelah meter terdengar lagi.

device_back-title = Meter Anda terdengar lagi
device_back-message = Meter Anda{ $location ->
    [none] { "" }
   *[other] { " " }({ $location })
} kembali mengirim. Yang tercatat selama itu sudah diperhitungkan.

payment_received-title = Pembayaran Anda sudah masuk
payment_received-message = { $amount } ditambahkan ke saldo Anda. Terima kasih.

payment_refused-title = Pembayaran Anda tidak berhasil
payment_refused-message = Pembayaran { $amount } ditolak atau lewat waktunya, dan saldo Anda tidak bertambah. Silakan coba lagi.

payment_returned-title = Sebuah pembayaran dikembalikan
payment_returned-message = { $amount } dari sebuah pembayaran dikembalikan, dan saldo Anda berkurang sebanyak yang telah ditambahkan untuk itu.

tampering_seen-title = Sebuah meter tampak diutak-atik
tampering_seen-message = { $tampering ->
    [magnetic] Sebuah magnet terdeteksi
    [physical] Tanda-tanda dibuka atau digeser terdeteksi
   *[other] Tanda-tanda air mengambil jalan lain terdeteksi
} pada meter { $device } tanggal { $day }. Mohon diperiksa.

over_budget = Belakangan ini Anda sudah menerima beberapa pesan semacam ini; selanjutnya dikirim sekali sehari.

digest-title = { $count } pesan tentang air Anda
mail-greeting = { $name ->
    [none] Halo,
   *[other] Halo { $name },
}
mail-more = Selengkapnya
mail-footer = Anda menerima pesan ini karena berlangganan air pada kami dan ingin diberi tahu lewat surel. Untuk berhenti, ubahlah pengaturan Anda atau balas "unsubscribe".
