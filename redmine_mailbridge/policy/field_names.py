"""The names of Redmine's fields in each of its languages, in 5.0 to 6.1 where they differ, its words for
yes and no, and for a missing subject. Names only: as shown on Redmine's pages, and so as users write them.
"""

from collections.abc import Mapping
from typing import TypeVar

from redmine_mailbridge.settings.issue import KEYWORDS

V = TypeVar("V")

# Redmine's handler makes English names of its own attribute names, beside those on its pages.
ENGLISH: Mapping[str, str | tuple[str, ...]] = {
    "project": "Project",
    "tracker": "Tracker",
    "status": "Status",
    "priority": "Priority",
    "category": "Category",
    "assigned_to": ("Assigned to", "Assignee"),
    "fixed_version": ("Fixed version", "Target version"),
    "start_date": "Start date",
    "due_date": "Due date",
    "estimated_hours": ("Estimated hours", "Estimated time"),
    "done_ratio": ("Done ratio", "% Done"),
    "is_private": ("Is private", "Private"),
    "parent_issue": ("Parent issue", "Parent task"),
}

_TABLE: Mapping[str, tuple[str | tuple[str, ...], ...]] = {
    "ar": ("المشروع", "نوع بند العمل", "الحالة", "الأولوية", "الفئة", "المحال اليه", "الاصدار المستهدف",
           "تاريخ البداية", "تاريخ النهاية", "الوقت المتوقع", "نسبة الانجاز", "خاص", "بند العمل الأصلي"),
    "az": ("Layihə", "Treker", "Status", "Prioritet", "Kateqoriya", "Təyin edilib", "Variant", "Başlanıb",
           "Yerinə yetirilmə tarixi", "Vaxtın dəyərləndirilməsi", "Hazırlıq", "Şəxsi", "Valideyn tapşırıq"),
    "bg": ("Проект", "Тракер", "Състояние", "Приоритет", "Категория", "Възложена на", "Планувана версия",
           "Начална дата", "Крайна дата", "Изчислено време", "% Прогрес", "Лична", "Родителска задача"),
    "bs": ("Projekat", ("Područje aktivnosti", "Vrsta"), "Status", "Prioritet", "Kategorija",
           ("Dodijeljeno", "Odgovorna osoba"), "Ciljna verzija", "Početak", ("Završiti do", "Završetak"),
           "Procjena vremena", ("% Realizovano", "% završeno"), ("Private", "Privatno"),
           ("Parent task", "Matični zadatak")),
    "ca": ("Projecte", ("Tipus d'assumpte", "Tipus d'incidència"), "Estat", "Prioritat", "Categoria", "Assignat a",
           "Versió prevista", "Inici", "Data de venciment", "Temps previst", "% realitzat", "Privat",
           "Tasca pare"),
    "cs": ("Projekt", "Fronta", "Stav", "Priorita", "Kategorie", "Přiřazeno", "Cílová verze", "Začátek",
           "Uzavřít do", "Odhadovaná doba", "% Hotovo", "Soukromý", "Rodičovský úkol"),
    "da": ("Projekt", "Type", "Status", "Prioritet", "Kategori", "Tildelt til", "Udgave", "Start dato", "Deadline",
           "Anslået tid", "% færdig", "Private", "Hovedopgave"),
    "de": ("Projekt", "Tracker", "Status", "Priorität", "Kategorie", "Zugewiesen an", "Zielversion", "Beginn",
           "Abgabedatum", "Geschätzter Aufwand", "% erledigt", "Privat", "Übergeordnetes Ticket"),
    "el": ("Έργο", "Ανιχνευτής", "Κατάσταση", "Προτεραιότητα", "Κατηγορία", "Ανάθεση σε", "Στόχος έκδοσης",
           "Εκκίνηση", "Προθεσμία", "Εκτιμώμενος χρόνος", "% επιτεύχθη", "Private", "Parent task"),
    "es": ("Proyecto", "Tipo", "Estado", "Prioridad", "Categoría", "Asignado a", "Versión prevista",
           "Fecha de inicio", "Fecha fin", "Tiempo estimado", "% Realizado", "Privada", "Tarea padre"),
    "et": ("Projekt", "Valdkond", "Olek", "Prioriteet", "Kategooria", "Tegeleja", "Sihtversioon", "Alguskuupäev",
           "Tähtaeg", "Eeldatav ajakulu", "% tehtud", "Privaatne", "Pärineb teemast"),
    "eu": ("Proiektua", "Aztarnaria", "Egoera", "Lehentasuna", "Kategoria", "Esleituta", "Helburuko bertsioa",
           "Hasiera", "Amaiera data", "Estimatutako denbora", "Egindako %", "Pribatu", "Zeregin gurasoa"),
    "fa": ("پروژه", ("نوع مسأله", "نوع مسئله"), "وضعیت", "اولویت", "دسته", "مسئول", "نسخه هدف", "تاریخ آغاز",
           "تاریخ سررسید", "زمان برآوردشده", "٪ انجام شده", "محرمانه", "کار پدر"),
    "fi": ("Projekti", "Tapahtuma", "Tila", "Prioriteetti", "Luokka", "Nimetty", "Kohdeversio", "Alku",
           "Määräaika", "Arvioitu aika", "% Tehty", "Private", "Parent task"),
    "fr": ("Projet", "Tracker", "Statut", "Priorité", "Catégorie", "Assigné à", "Version cible", "Début",
           "Echéance", "Temps estimé", "% réalisé", "Privée", "Tâche parente"),
    "gl": ("Proxecto", "Tipo", "Estado", "Prioridade", "Categoría", "Asignado a", "Versión prevista",
           "Data de inicio", "Data fin", "Tempo estimado", "% Realizado", "Privadas", "Tarefa superior"),
    "he": ("פרויקט", "סיווג", "מצב", "עדיפות", "קטגוריה", "אחראי", "גירסת יעד", "תאריך התחלה", "תאריך סיום",
           "זמן משוער", "% גמור", "Private", "משימת אב"),
    "hr": ("Projekt", "Tracker", "Status", "Prioritet", "Kategorija", "Dodijeljeno", "Verzija", "Pocetak",
           "Do datuma", "Procijenjeno vrijeme", "% Učinjeno", "Private", "Parent task"),
    "hu": ("Projekt", "Típus", "Státusz", "Prioritás", "Kategória", "Felelős", "Cél verzió", "Kezdés dátuma",
           "Befejezés dátuma", "Becsült időigény", "Készültség (%)", "Privát", "Szülő feladat"),
    "id": ("Proyek", "Pelacak", "Status", "Prioritas", "Kategori", "Ditugaskan ke", "Versi target", "Mulai",
           "Harus selesai", "Perkiraan waktu", "% Selesai", "Private", "Parent task"),
    "it": ("Progetto", "Tracker", "Stato", "Priorità", "Categoria", "Assegnato a", "Versione prevista", "Inizio",
           "Scadenza", "Tempo stimato", "% Completato", "Privato", "Attività principale"),
    "ja": ("プロジェクト", "トラッカー", "ステータス", "優先度", "カテゴリ", "担当者", "対象バージョン", "開始日",
           "期日", "予定工数", "進捗率", "プライベート",
           "親チケット"),
    "ko": ("프로젝트", "유형", "상태", "우선순위", "범주", "담당자", "목표버전", ("시작시간", "시작일"),
           ("완료기한", "완료일"), "추정시간", "진척도", "비공개",
           "상위 일감"),
    "lt": ("Projektas", "Pėdsekys", "Būsena", "Prioritetas", "Kategorija", "Paskirtas", "Tikslinė versija",
           "Pradėti", "Užbaigimo data", "Numatyta trukmė", "% atlikta", "Privatus", "Pagrindinė užduotis"),
    "lv": ("Projekts", "Trakeris", "Statuss", "Prioritāte", "Kategorija", "Piešķirts", "Mērķa versija",
           "Sākuma datums", "Sagaidāmais datums", "Paredzētais laiks", "% padarīti", "Private", "Parent task"),
    "mk": ("Проект", "Tracker", "Статус", "Приоритет", "Категорија", "Доделена на", "Target version", "Почеток",
           "Краен рок", "Проценето време", "% Завршено", "Private", "Parent task"),
    "mn": ("Төсөл", "Чиглэл", "Төлөв", "Зэрэглэл", "Төрөл", "Оноогдсон", "Хувилбар", "Эхлэл", "Дуусах огноо",
           "Барагцаалсан цаг", "Гүйцэтгэл %", "Private", "Parent task"),
    "nl": ("Project", "Tracker", "Status", "Prioriteit", "Categorie", "Toegewezen aan", "Versie", "Startdatum",
           "Verwachte einddatum", "Geschatte tijd", "% voltooid", "Privé", "Hoofdissue"),
    "no": ("Prosjekt", "Sakstype", "Status", "Prioritet", "Kategori", "Tildelt til", "Mål-versjon", "Start",
           "Frist", "Estimert tid", "% Ferdig", "Privat", "Overordnet sak"),
    "pl": ("Projekt", "Typ zagadnienia", "Status", "Priorytet", "Kategoria", "Przypisany do", "Wersja docelowa",
           "Data rozpoczęcia", "Data oddania", "Szacowany czas", "% Wykonania", "Prywatne",
           "Zagadnienie nadrzędne"),
    "pt": ("Projeto", "Tipo", "Estado", "Prioridade", "Categoria", "Atribuído a", "Versão", "Data de início",
           "Data de fim", "Tempo estimado", "% Completo", "Privado", "Tarefa principal"),
    "pt-br": ("Projeto", "Tipo", "Situação", "Prioridade", "Categoria", "Atribuído para", "Versão", "Início",
              "Data prevista", "Tempo estimado", "% Terminado", "Privado", "Tarefa mãe"),
    "ro": ("Proiect", "Tip de tichet", "Stare", "Prioritate", "Categorie", "Atribuit", "Versiune țintă",
           "Data începerii", "Data finalizării", "Timp estimat", "Realizat (%)", "Private", "Parent task"),
    "ru": ("Проект", "Трекер", "Статус", "Приоритет", "Категория", "Назначена", "Версия", "Дата начала",
           "Срок завершения", "Оценка временных затрат", "Готовность", "Частная", "Родительская задача"),
    "sk": ("Projekt", "Front", "Stav", "Priorita", "Kategória", "Priradené", "Cieľová verzia", "Počiatočný dátum",
           "Odovzdať do", "Odhadovaný čas", "% hotovo", "Súkromné", "Nadradená úloha"),
    "sl": ("Projekt", "Vrsta zahtevka", "Status", "Prioriteta", "Kategorija", "Dodeljen", "Ciljna verzija",
           "Začetek", "Do datuma", "Ocenjen čas", "% Narejeno", "Zaseben", "Nadrejena naloga"),
    "sq": ("Projekt", "Ndjekës", "Gjendje", "Përparësi", "Kategori", "Caktuar", "Version i synuar", "Datë fillimi",
           "Datë skadimi", "Kohë përafërsisht", "% Plotësimi", "Private", "Punë mëmë"),
    "sr": ("Пројекат", "Праћење", "Статус", "Приоритет", "Категорија", "Додељено", "Одредишна верзија", "Почетак",
           "Крајњи рок", "Протекло време", "% урађено", "Private", "Матични задатак"),
    "sr-yu": ("Projekat", "Praćenje", "Status", "Prioritet", "Kategorija", "Dodeljeno", "Odredišna verzija",
              "Početak", "Krajnji rok", "Procenjeno vreme", "% urađeno", "Privatno", "Matični zadatak"),
    "sv": ("Projekt", "Ärendetyp", "Status", "Prioritet", "Kategori", ("Tilldelad till", "Tilldelad"),
           "Versionsmål", "Startdatum", "Deadline", ("Estimerad tid", "Beräknad tid"), "% Klart", "Privat",
           "Förälderaktivitet"),
    "ta-in": ("திட்டம்", "தடம்", "நிலை", "முன்னுரிமை", "வகை", "நியமிக்கப்பட்ட", "இலக்கு பதிப்பு", "தொடக்க தேதி",
              "உரிய தேதி", "கணிக்கப்பட்ட நேரம்", "% முடிவு", "தனியார்", "மேல் பணி"),
    "th": ("โครงการ", "การติดตาม", "สถานะ", "ความสำคัญ", "ประเภท", "มอบหมายให้", "รุ่น", "เริ่ม", "วันครบกำหนด",
           "เวลาที่ใช้โดยประมาณ", "% สำเร็จ", "Private", "Parent task"),
    "tr": ("Proje", "İş tipi", "Durum", "Öncelik", "Kategori", "Atanan", "Hedef Sürüm", "Başlangıç Tarihi",
           "Bitiş Tarihi", "Kalan zaman", "Tamamlanma yüzdesi", "Özel", "Üst iş"),
    "uk": ("Проект", "Координатор", "Статус", "Пріоритет", "Категорія", "Призначена до", "Версія", "Початок",
           "Дата виконання", "Оцінний час", "% зроблено", "Приватна", "Батьківська задача"),
    "vi": ("Dự án", "Kiểu vấn đề", "Trạng thái", "Mức ưu tiên", "Chủ đề", "Phân công cho", "Phiên bản", "Bắt đầu",
           "Hết hạn", "Thời gian ước lượng", "Tiến độ", "Riêng tư", "Tác vụ cha"),
    "zh": ("项目", "跟踪", "状态", "优先级", "类别", "指派给", "目标版本", "开始日期", "计划完成日期", "预期时间",
           "% 完成", "私有", "父任务"),
    "zh-tw": ("專案", "追蹤標籤", "狀態", "優先權", "分類", "被分派者", "版本", "開始日期", "完成日期", "預估工時",
              ("完成百分比", "完成比例"), "私人",
              "父議題"),
}  # fmt: skip

LANGUAGES = tuple(_TABLE)

_YES: Mapping[str, str] = {
    "en": "yes", "ar": "نعم", "az": "bəli", "bg": "да", "bs": "da", "ca": "si", "cs": "ano", "da": "ja",
    "de": "ja", "el": "ναι", "es": "sí", "et": "jah", "eu": "bai", "fa": "آری", "fi": "kyllä", "fr": "oui",
    "gl": "si", "he": "כן", "hr": "da", "hu": "igen", "id": "ya", "it": "sì", "ja": "はい", "ko": "예",
    "lt": "taip", "lv": "jā", "mk": "да", "mn": "тийм", "nl": "ja", "no": "ja", "pl": "tak", "pt": "sim",
    "pt-br": "sim", "ro": "da", "ru": "да", "sk": "áno", "sl": "da", "sq": "po", "sr": "да", "sr-yu": "da",
    "sv": "ja", "ta-in": "ஆம்", "th": "ใช่", "tr": "evet", "uk": "так", "vi": "có", "zh": "是", "zh-tw": "是",
}  # fmt: skip

_NO: Mapping[str, str] = {
    "en": "no", "ar": "لا", "az": "xeyr", "bg": "не", "bs": "ne", "ca": "no", "cs": "ne", "da": "nej",
    "de": "nein", "el": "όχι", "es": "no", "et": "ei", "eu": "ez", "fa": "خیر", "fi": "ei", "fr": "non",
    "gl": "non", "he": "לא", "hr": "ne", "hu": "nem", "id": "tidak", "it": "no", "ja": "いいえ", "ko": "아니오",
    "lt": "ne", "lv": "nē", "mk": "не", "mn": "үгүй", "nl": "nee", "no": "nei", "pl": "nie", "pt": "não",
    "pt-br": "não", "ro": "nu", "ru": "нет", "sk": "nie", "sl": "ne", "sq": "jo", "sr": "не", "sr-yu": "ne",
    "sv": "nej", "ta-in": "இல்லை", "th": "ไม่", "tr": "hayır", "uk": "ні", "vi": "không", "zh": "否",
    "zh-tw": "否",
}  # fmt: skip

_NO_SUBJECT: Mapping[str, str] = {
    "bg": "няма заглавие", "ca": "sense assumpte", "cs": "bez předmětu", "de": "kein Thema", "es": "sin asunto",
    "fa": "بدون موضوع", "fr": "sans sujet", "gl": "sen asunto", "hu": "nincs tárgy", "it": "nessun soggetto",
    "ja": "題名なし", "ko": "제목 없음", "lt": "be temos", "pl": "brak tematu", "pt-br": "sem assunto",
    "ru": "Нет темы", "sq": "pa subjekt", "sv": "inget ämne", "ta-in": "பொருள் இல்லை",
    "tr": "Başlıksız", "vi": "không chủ đề",
    "zh": "无主题", "zh-tw": "沒有主旨",
}  # fmt: skip


def words_for(language: str) -> Mapping[str, str | tuple[str, ...]]:
    """Given a language as Redmine names it ("de", "pt-BR"), return its names of the keys; {} when not known here."""
    row = _of(_TABLE, language)
    return dict(zip(KEYWORDS, row, strict=True)) if row else {}


def means_yes(value: str, languages: tuple[str, ...]) -> bool:
    """Given the value of a yes-or-no keyword, return whether it is 1 or the word for yes in English or a language."""
    return value.casefold() in {"1", "yes", "true", *_in(_YES, languages)}


def means_no(value: str, languages: tuple[str, ...]) -> bool:
    """Given the value of a yes-or-no field, return whether it is 0 or the word for no in English or a language."""
    return value.casefold() in {"0", "no", "false", *_in(_NO, languages)}


def no_subject(language: str) -> str:
    """Given Redmine's default language, return the subject that Redmine gives to a mail without one."""
    return f"({_of(_NO_SUBJECT, language) or 'no subject'})"


def _in(words: Mapping[str, str], languages: tuple[str, ...]) -> set[str | None]:
    return {_of(words, language) for language in languages}


def _of(table: Mapping[str, V], language: str) -> V | None:
    """Given a language as Redmine names it, in any case, or as systems do ("pt_BR"), return its entry, else that of the
    language alone.
    """
    language = language.lower().replace("_", "-")
    return table.get(language) or table.get(language.partition("-")[0])
