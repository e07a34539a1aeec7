"""The lines that telephones and mail programs add below what somebody wrote, in many languages. Data only."""

import re
from functools import cache

_STRONG = r"""
sent from (?:my|mobile|outlook|mail\b|yahoo|gmail|a (?:phone|mobile)|samsung|iphone|ipad|android|windows|
proton|blackberry|aol|surface|huawei|xiaomi|nine|spark)
sent (?:via|using|by|with) (?:my|the|mobile|galaxy|samsung|airmail|sparrow|proton|outlook|spark|blackberry|
aol|hushmail|mailbird|iphone|android|yahoo|zoho|tutanota|tuta|superhuman|polymail|mixmax|front|missive|
canary|newton)
sent with \S+ secure email
(?:get|download) \[?outlook for
from my (?:iphone|ipad|ipod|android|mobile|phone|blackberry|samsung)
yahoo mail\b.{0,20}(?:search, organize|stress less|get the app)
von (?:meinem|meiner|unterwegs|iphone).{1,50}gesendet
von meinem .{1,40} (?:gesendet|gesandt|geschickt|versendet)
diese (?:nachricht|e-?mail|mail) wurde (?:von|mit) (?:meinem|meiner|unterwegs|android|dem)
gesendet (?:von (?:meinem|meiner|mein|outlook|mail\b|yahoo|unterwegs)|mit (?:der|dem|outlook|proton|web\.de|
gmx|spark|der gmx|der web\.de|meinem)|über (?:mein|die)|aus (?:der|meinem))
(?:gesendet|versendet|verschickt|geschickt) (?:vom|von meinem|mit meinem) (?:handy|iphone|ipad|smartphone|
tablet|android|blackberry|mobil)
(?:holen sie sich|laden sie|hol dir|outlook für (?:ios|android) (?:beziehen|herunterladen|abrufen))\s?.{0,40}
(?:envoyé|envoyée|envoye) (?:de|depuis|à partir|avec|par|via) (?:mon|ma|outlook|de|d'|l'|yahoo|courrier|la|
un|proton|samsung|mobile|le)
(?:télécharge[rz]|obtene[rz]|obtenir) outlook
enviado (?:desde|de|do|da|a partir|por|com|con|via|pelo) (?:mi|meu|minha|el|o|a|outlook|yahoo|correo|email|
e-mail|samsung|um|un|proton|iphone|ipad|android|mobile|telefone)
(?:obtener|obtén|obtenha|obter|baixe|descarga|descargar) (?:o )?outlook
(?:inviato|inviata|spedito) (?:da|dal|con|tramite|via) (?:mio|mia|il|outlook|yahoo|posta|iphone|ipad|libero|
samsung|smartphone|telefono|cellulare|tablet|proton|app|mobile|tim|huawei)
(?:scarica|ottieni|scaricare) outlook
(?:verzonden|verstuurd|gestuurd) (?:vanaf|met|via|vanuit|door) (?:mijn|outlook|een|mail\b|yahoo|iphone|ipad|
android|samsung|mobiel|blackberry|proton|de)
(?:outlook voor (?:ios|android) (?:downloaden|ophalen)|download outlook)
(?:wysłano|wysłane|wysłana|wyslano) (?:z|ze|za|przez) (?:mojego|iphone|ipad|androida|outlook|telefonu|
smartfona|urządzenia|programu|aplikacji|poczty|samsung|yahoo|pomocą|mojej)
(?:pobierz|uzyskaj) (?:program |aplikację )?outlook
(?:odesláno|odoslané|odeslano) (?:z|ze|zo|pomocí|přes) (?:mého|iphone|ipad|androidu|outlook|mobil|mobilu|
telefonu|aplikace|pošty|môjho|samsung|seznam|programu|iphonu|ipadu)
(?:získat|získejte|získať) (?:aplikaci )?outlook
отправлено (?:с|со|из|от|через) (?:моего|моей|iphone|ipad|устройства|мобильн|android|почты|outlook|яндекс|
mail|телефона|планшета|смартфона|samsung|приложения|мобільн)
(?:скачать|получить|скачайте|загрузить) outlook
(?:надіслано|відправлено) (?:з|із|зі|через) (?:мого|моєї|iphone|ipad|пристрою|мобільн|android|пошти|outlook|
телефону|ukr\.net|айфона|програми)
(?:отримати|завантажити) outlook
skickat (?:från|med|via) (?:min|mitt|outlook|mail|yahoo|iphone|ipad|en|e-post|mobil)
(?:hämta|skaffa|ladda ned) outlook
sendt (?:fra|med|via) (?:min|mitt|mit|outlook|mail|yahoo|iphone|ipad|en|mobil|e-post|samsung)
(?:hent|få|last ned|skaff) outlook
lähetetty (?:minun |laitteesta|iphonesta|ipadista|androidista|puhelimesta|samsung|outlookista|windowsin|
sähköpost|yahoo)
(?:hanki|lataa) outlook
.{1,40}(?:'?(?:umdan|mdan|dan|den|imden|ımdan)|üzerinden|ile|cihazımdan) gönderildi$
.{0,40}outlook'?[uı]? (?:edinin|indirin|alın)
(?:στάλθηκε|εστάλη) (?:από|με|μέσω) (?:το|τη|την|outlook|iphone)
(?:αποκτήστε|λήψη|απόκτηση) (?:το |του )?outlook
发自我的.{1,40}
.{0,6}(?:发自|發自|从我的|從我的).{1,40}(?:发送|傳送|iphone|ipad|手机|邮箱|大师)
(?:获取|取得|下载|下載) outlook
(?:我的)?.{0,20}(?:から送信|より送信)(?:されました)?$
.{0,20}outlook for (?:ios|android) (?:を入手|다운로드|가져오기)
(?:나의 |내 )?.{1,30}에서 (?:보냄|보냈습니다|전송)$
(?:أرسلت|أُرسلت|تم الإرسال|أرسل|مرسل) من
(?:احصل على|الحصول على) outlook
(?:נשלח|נשלחה) (?:מה|מ-|מ|באמצעות|דרך).{1,40}
(?:קבל|הורד|השג) (?:את )?outlook
(?:trimis|trimisă) (?:de pe|din|prin) (?:iphone|ipad|android|outlook|telefon|yahoo|dispozitiv)
(?:elküldve|küldve) (?:az|a) .{1,30}(?:ról|ről|ból|ből)
poslano (?:s|sa|iz|z) (?:mog|mojega|iphone|outlook|mobil)
изпратено от (?:моя|моето|iphone|outlook)
(?:được )?gửi từ (?:iphone|outlook|điện thoại|thiết bị)
enviat des de
"""

_WEAK = r"""
sent (?:from|via|with|by|using) \S.{0,50}
\S.{0,20} from mobile
get \[?\S+ for (?:ios|android|mobile|iphone)\S{0,40}
gesendet (?:von|mit|über) \S.{0,40}
(?:gesendet|versendet|verschickt) (?:vom|per) (?:handy|smartphone|iphone|mobil|telefon)\S{0,20}
envoyé (?:de|depuis|avec|via) \S.{0,40}
enviado (?:desde|con|com|via) \S.{0,40}
inviato (?:da|con|tramite) \S.{0,40}
verzonden (?:met|via|vanaf) \S.{0,40}
отправлено (?:из|с) \S.{0,40}
(?:wysłane?|wysłano) z \S.{0,40}
skickat (?:från|med) \S.{0,40}
sendt (?:fra|med) \S.{0,40}
"""


def _compile(lines: str) -> re.Pattern[str]:
    """Given expressions one a line (a line that ends in | continues in the next), join them."""
    return re.compile("|".join(f"(?:{line})" for line in lines.strip().replace("|\n", "|").split("\n")), re.IGNORECASE)


@cache
def strong_footer() -> re.Pattern[str]:
    """What a line begins with that is the footer of a telephone or a program; what follows is not the writer's.

    Compiled on first use, as the other: a pass without mail needs neither.
    """
    return _compile(_STRONG)


@cache
def weak_footer() -> re.Pattern[str]:
    """What a line is as a whole that may be such a footer, when nothing else follows."""
    return _compile(_WEAK)
