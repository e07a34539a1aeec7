"""The words by which mail programs introduce a quoted mail, in many languages. Data only; all in lower case."""

# The keys of the header block that Outlook and others put above a quoted mail, by what they stand for.
_HEADER_KEYS: dict[str, str] = {
    "from": """from von de da van od от від från fra lähettäjä kimden gönderen από desde desenvolvedor feladó
        absender expéditeur expediteur remitente remetente mittente afzender nadawca odesílatel odesilatel
        odosielateľ avsändare afsender avsender expeditor pošiljatelj pošiljalac saatja nuo отправитель
        відправник подател αποστολέας 发件人 發件人 寄件者 寄件人 差出人 送信者 送信元 보낸사람 보낸이 발신인 من المرسل
        מאת שולח từ dari จาก kyselijä frá az از فرستنده šalje no""",
    "date": """sent date gesendet datum envoyé envoye enviado enviada fecha data inviato verzonden verstuurd
        wysłano wysłane odesláno odoslané отправлено дата надіслано відправлено skickat sendt dato lähetetty
        päivämäärä päiväys pvm gönderildi tarih gönderilme στάλθηκε ημερομηνία 发送时间 发送日期 发件时间 日期 时间
        時間 寄件日期 傳送時間 傳送日期 送信日時 日時 日付 보낸날짜 보낸시간 날짜 보낸일시 التاريخ أرسل تاريخ
        נשלח תאריך elküldve dátum trimis trimisă poslano poslané isprati saadetud kuupäev išsiųsta изпратено
        ngày gửi dikirim tanggal วันที่ enviat nosūtīts datums prima saņemts dagsetning ارسال تاریخ""",
    "to": """to an à a para aan do komu кому до till til vastaanottaja kime alıcı προς 收件人 收件者 宛先
        받는사람 받는이 수신인 수신 إلى الى אל címzett către za prima kam saaja destinataire destinatario
        destinatário empfänger adresat příjemce mottagare modtager mottaker đến kepada ถึง per naar voor
        tới viðtakandi به گیرنده""",
    "subject": """subject betreff betr objet sujet asunto assunto oggetto onderwerp temat předmět predmet тема
        ämne emne aihe konu θέμα 主题 主旨 主題 件名 제목 الموضوع נושא tárgy subiect naslov zadeva teema относно
        subjek perihal เรื่อง assumpte efni temats tēma موضوع""",
    "cc": """cc kopie copie copia cópia kopia kopija копия копія kopi kopio bilgi κοιν κοινοποίηση 抄送 副本
        参照 참조 نسخة עותק másolat bcc bcc importance priority attachments reply-to replyto organization
        antwort-an wichtigkeit anlagen anhänge importancia importance categories""",
}

# Keys of more than one word; the same meaning.
_HEADER_PHRASES: dict[str, str] = {
    "from": "보낸 사람|de la|message de|người gửi",
    "date": "envoyé le|envoyée|date d'envoi|date d’envoi|enviado el|enviado em|enviada em|enviado a|data invio"
    "|data da mensagem|message du|data wysłania|date sent|sent on|sent at|gesendet am|"
    "verzonden op|skickat den|gönderme tarihi"
    "|gönderilme tarihi|보낸 날짜|보낸 시간|تاريخ الإرسال|تم الإرسال|дата отправки|datum odeslání"
    "|đã gửi|thời gian|enviat el|data d'enviament|sent þann|poslano dana|تاریخ ارسال",
    "to": "받는 사람|a la attention de|per a|người nhận",
    "subject": "chủ đề|tiêu đề",
    "cc": "copie à|copia a|cc a|in cc|kopie an|kopia do|kopie pro|reply to|antwort an|répondre à"
    "|responder a|rispondi a|odpowiedź do|in-reply-to",
}

HEADER_ROLE: dict[str, str] = {
    **{word: role for role, words in _HEADER_KEYS.items() for word in words.split()},
    **{phrase: role for role, phrases in _HEADER_PHRASES.items() for phrase in phrases.split("|")},
}

# Keys that only a mail's full header has: somebody pasted one, which is content.
RAW_HEADER_KEYS = frozenset(
    [
        "received",
        "return-path",
        "message-id",
        "mime-version",
        "dkim-signature",
        "content-type",
        "authentication-results",
        "delivered-to",
        "x-mailer",
        "references",
        "content-transfer-encoding",
    ]
)

# "wrote" and its like, as whole words.
VERBS = frozenset(
    """wrote writes schrieb schreibt schrieben écrit ecrit escribió escribio escribe escreveu escreveram scritto
    scrive schreef schrijft geschreven napisał napisała napisał(a) napisała(a) napisal napisala pisze napsal
    napsala napsal(a) napsala(a) píše napísal napísala napísal(a) написал написала написал(а) написали пишет
    пишете написав написав(ла) написала(в) пише skrev skriver skrivit kirjoitti kirjoittaa yazdı yazmış yazıyor
    yazdi έγραψε έγραφε írta scris napisao piše kirjutas rašė rakstīja viết menulis написа escrit كتب كتبت
    يكتب כתב כתבה כותב כתב/ה quoting zitat citando citat citation citace""".split()  # noqa: SIM905  # words, not a list
)

# The same in languages that do not put blanks between words, and endings that are stuck to the name.
VERB_PARTS = (
    "写道",
    "寫道",
    "写到",
    "書きました",
    "wrote:",
    "님이 작성",
    "작성:",
    "님의 말",
    "썼습니다",
    "のメール",
    "のメッセージ",
)

# How an attribution line may begin, besides with a date, a weekday or the name of who wrote.
OPENERS = frozenset(
    """on at am um in le el em no il op dnia dne den på w в у στις την στης 在 於 于 في בתאריך ב vào pada
    a quoting zitat citando dana la ku em: 2 στο al the från ngày""".split()  # noqa: SIM905  # words, not a list
)

WEEKDAYS = frozenset(
    """mon tue wed thu fri sat sun monday tuesday wednesday thursday friday saturday sunday mo di mi do fr sa so
    montag dienstag mittwoch donnerstag freitag samstag sonntag lun mar mer jeu ven sam dim lundi mardi mercredi
    jeudi vendredi samedi dimanche mié jue vie sáb dom lunes martes miércoles jueves viernes sábado domingo seg
    ter qua qui sex segunda terça quarta quinta sexta gio lunedì martedì mercoledì giovedì venerdì sabato
    domenica ma wo vr za zo maandag dinsdag woensdag donderdag vrijdag zaterdag zondag pon wt śr czw pt sob
    niedz nd poniedziałek wtorek środa czwartek piątek sobota niedziela po út st čt pá ne пн вт ср чт пт сб вс
    нд mån tis ons tors fre lör sön tir lør søn man tor ke to pe la su ti pzt sal çar per cum cmt paz δευ τρί
    τετ πέμ παρ σάβ κυρ hétfő kedd szerda csütörtök péntek szombat vasárnap""".split()  # noqa: SIM905  # words, not a list
)

# The text between dashes above a quoted message.
ORIGINAL = """original message|original mail|original e-mail|original email|original appointment|reply message
|ursprüngliche nachricht|ursprungliche nachricht|originalnachricht|original-nachricht|originale nachricht
|ursprüngliche mail|ursprüngliche e-mail|message d'origine|message d’origine|message original|mail original
|message initial|e-mail d'origine|courriel original|mensaje original|mensaje originale|correo original
|mensagem original|mensagem originais|messaggio originale|messaggio original|mail originale
|oorspronkelijk bericht|origineel bericht|oorspronkelijke bericht|wiadomość oryginalna|oryginalna wiadomość
|oryginalna wiadomosc|treść oryginalnej wiadomości|wiadomość pierwotna|původní zpráva|puvodni zprava
|pôvodná správa|исходное сообщение|оригинальное сообщение|первоначальное сообщение|исходное письмо
|вихідне повідомлення|оригінальне повідомлення|початкове повідомлення|ursprungligt meddelande
|originalmeddelande|ursprungligt mejl|oprindelig meddelelse|oprindelig besked|original meddelelse
|opprinnelig melding|original melding|opprinnelig meddelelse|alkuperäinen viesti|özgün ileti|orijinal mesaj
|orijinal ileti|özgün mesaj|asıl ileti|αρχικό μήνυμα|αρχικο μηνυμα|πρωτότυπο μήνυμα|原始邮件|原邮件|原始郵件
|原始訊息|邮件原件|原始信件|元のメッセージ|元のメール|オリジナルメッセージ|원본 메시지|원본 메일|원본메일|원래 메시지
|원문 메시지|الرسالة الأصلية|رسالة أصلية|ההודעה המקורית|הודעה מקורית|eredeti üzenet|mesaj original
|mesajul original|izvorna poruka|originalna poruka|izvirno sporočilo|missatge original|tin nhắn gốc
|оригинално съобщение|pesan asli|algne kiri|original besked""".replace("\n", "").split("|")

# The text above a forwarded message: content, not a quote.
FORWARDED = """forwarded message|begin forwarded message|forwarded mail|forwarded by|weitergeleitete nachricht
|anfang der weitergeleiteten nachricht|weitergeleitete mail|message transféré|message transmis|message réexpédié
|début du message transféré|début du message réexpédié|mensaje reenviado|inicio del mensaje reenviado
|mensagem encaminhada|mensagem reencaminhada|início da mensagem encaminhada|messaggio inoltrato
|inizio messaggio inoltrato|doorgestuurd bericht|begin doorgestuurd bericht|przekazana wiadomość
|wiadomość przekazana|wiadomość napisana przez|początek przekazywanej wiadomości|přeposlaná zpráva
|předávaná zpráva|přeposlaný e-mail|пересылаемое сообщение|переадресованное сообщение|начало переадресованного
|пересланное сообщение|конец пересылаемого|переслане повідомлення|пересланий лист|перенаправлене повідомлення
|vidarebefordrat meddelande|vidarebefordrat brev|videresendt meddelelse|videresendt besked
|videresendt melding|välitetty viesti|edelleenlähetetty viesti|yönlendirilmiş ileti|iletilmiş mesaj
|iletilen mesaj|yönlendirilen ileti|προωθημένο μήνυμα|转发的邮件|转发邮件|轉寄的郵件|轉寄郵件|已轉寄的郵件
|転送されたメッセージ|転送メッセージ|전달된 메시지|전달된 메일|رسالة مُعاد توجيهها|رسالة معاد توجيهها
|الرسالة المعاد توجيهها|הודעה שהועברה|הודעה מועברת|továbbított üzenet|mesaj redirecționat|preposlaná správa
|proslijeđena poruka|posredovano sporočilo""".replace("\n", "").split("|")

# What mail programs put before the subject of a forwarded mail, in lower case and without the colon.
FORWARD_PREFIXES = frozenset(
    """fwd fw wg tr rv enc i vl vb videresendt doorst pd předáno továbbítás továbbított ilt i̇lt πρθ
    转发 轉寄 轉呈 転送 전달 הועבר إعادة_توجيه пересл пересылка""".split()  # noqa: SIM905  # words, not a list
)

# Closing words, alone on their line, that may begin a block of name, company and telephone.
SIGN_OFFS = frozenset(
    """regards|best regards|kind regards|kindest regards|warm regards|best|sincerely|yours sincerely|cheers
|yours truly|best wishes|many thanks|thanks|thank you|thanks and regards|thanks & regards|respectfully
|mit freundlichen grüßen|mit freundlichen grüssen|freundliche grüße|freundliche grüsse|viele grüße|beste grüße
|liebe grüße|schöne grüße|mit besten grüßen|mit bestem gruß|herzliche grüße|mfg|vg|lg|gruß|grüße
|mit freundlichem gruß|mit lieben grüßen|cordialement|bien cordialement|sincères salutations|salutations
|bien à vous|cdlt|meilleures salutations|saludos|un saludo|saludos cordiales|atentamente|cordialmente
|atenciosamente|cumprimentos|melhores cumprimentos|com os melhores cumprimentos|att|abraços|cordiali saluti
|distinti saluti|saluti|un saluto|met vriendelijke groet|vriendelijke groeten|met vriendelijke groeten|groeten
|groet|mvg|pozdrawiam|z poważaniem|z pozdrowieniami|s pozdravem|s přátelským pozdravem|pěkný den|с уважением
|с наилучшими пожеланиями|з повагою|med vänliga hälsningar|vänliga hälsningar|mvh|hälsningar|med vänlig hälsning
|med venlig hilsen|venlig hilsen|vh|mvh|med vennlig hilsen|vennlig hilsen|hilsen|ystävällisin terveisin
|terveisin|parhain terveisin|saygılarımla|iyi çalışmalar|saygılar|με εκτίμηση|φιλικά|με φιλικούς χαιρετισμούς
|此致|此致敬礼|祝好|谢谢|謝謝|よろしくお願いします|以上|敬具|감사합니다|드림|مع التحية|مع خالص التحية|تحياتي|בברכה
|תודה""".replace("\n", "").split("|")
)
