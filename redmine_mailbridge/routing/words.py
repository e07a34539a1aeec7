"""The names that Redmine's fields bear in its languages, and its words for yes. Words only, of each language's own."""

from collections.abc import Mapping

from redmine_mailbridge.settings.route import KEYWORDS

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

_TABLE: Mapping[str, tuple[str, ...]] = {
    "de": ("Projekt", "Tracker", "Status", "Priorität", "Kategorie", "Zugewiesen an", "Zielversion", "Beginn",
           "Abgabedatum", "Geschätzter Aufwand", "% erledigt", "Privat", "Übergeordnete Aufgabe"),
    "fr": ("Projet", "Tracker", "Statut", "Priorité", "Catégorie", "Assigné à", "Version cible", "Début",
           "Echéance", "Temps estimé", "% réalisé", "Privée", "Tâche parente"),
    "es": ("Proyecto", "Tipo", "Estado", "Prioridad", "Categoría", "Asignado a", "Versión prevista",
           "Fecha de inicio", "Fecha fin", "Tiempo estimado", "% Realizado", "Privado", "Tarea padre"),
    "pt": ("Projeto", "Tipo", "Estado", "Prioridade", "Categoria", "Atribuído a", "Versão", "Data de início",
           "Data de fim", "Tempo estimado", "% Completo", "Privado", "Tarefa pai"),
    "pt-br": ("Projeto", "Tipo", "Situação", "Prioridade", "Categoria", "Atribuído para", "Versão", "Início",
              "Data prevista", "Tempo estimado", "% Terminado", "Privado", "Tarefa pai"),
    "it": ("Progetto", "Tracker", "Stato", "Priorità", "Categoria", "Assegnato a", "Versione prevista",
           "Inizio", "Scadenza", "Tempo stimato", "% completato", "Privato", "Attività principale"),
    "nl": ("Project", "Tracker", "Status", "Prioriteit", "Categorie", "Toegewezen aan", "Versie", "Startdatum",
           "Verwachte einddatum", "Geschatte tijd", "% voltooid", "Privé", "Hoofdissue"),
    "pl": ("Projekt", "Typ zagadnienia", "Status", "Priorytet", "Kategoria", "Przypisany do", "Wersja docelowa",
           "Data rozpoczęcia", "Data oddania", "Szacowany czas", "% Wykonania", "Prywatne", "Zagadnienie nadrzędne"),
    "cs": ("Projekt", "Fronta", "Stav", "Priorita", "Kategorie", "Přiřazeno", "Cílová verze", "Začátek",
           "Uzavřít do", "Odhadovaná doba", "% Hotovo", "Soukromý", "Rodičovský úkol"),
    "sk": ("Projekt", "Front", "Stav", "Priorita", "Kategória", "Priradené", "Cieľová verzia", "Začiatok",
           "Odovzdať do", "Odhadovaný čas", "% hotovo", "Súkromný", "Nadradená úloha"),
    "ru": ("Проект", "Трекер", "Статус", "Приоритет", "Категория", "Назначена", "Версия", "Дата начала",
           "Срок завершения", "Оценка временных затрат", "Готовность", "Частная", "Родительская задача"),
    "uk": ("Проєкт", "Трекер", "Статус", "Пріоритет", "Категорія", "Призначена до", "Версія", "Дата початку",
           "Дата виконання", "Оцінка витрат часу", "% зроблено", "Приватна", "Батьківська задача"),
    "sv": ("Projekt", "Ärendetyp", "Status", "Prioritet", "Kategori", "Tilldelad", "Versionsmål", "Startdatum",
           "Deadline", "Estimerad tid", "% Klart", "Privat", "Förälderaktivitet"),
    "da": ("Projekt", "Type", "Status", "Prioritet", "Kategori", "Tildelt til", "Udgave", "Startdato",
           "Deadline", "Anslået tid", "% færdig", "Privat", "Overordnet opgave"),
    "no": ("Prosjekt", "Sakstype", "Status", "Prioritet", "Kategori", "Tildelt til", "Mål-versjon", "Startdato",
           "Frist", "Estimert tid", "% fullført", "Privat", "Overordnet sak"),
    "fi": ("Projekti", "Tapahtuma", "Tila", "Prioriteetti", "Kategoria", "Määrätty", "Kohdeversio",
           "Aloituspäivä", "Määräaika", "Arvioitu aika", "% Tehty", "Yksityinen", "Yläasia"),
    "tr": ("Proje", "İş tipi", "Durum", "Öncelik", "Kategori", "Atanan", "Hedef Sürüm", "Başlangıç Tarihi",
           "Bitiş Tarihi", "Kalan zaman", "Tamamlanma %", "Özel", "Üst iş"),
    "hu": ("Projekt", "Típus", "Státusz", "Prioritás", "Kategória", "Felelős", "Cél verzió", "Kezdés dátuma",
           "Befejezés dátuma", "Becsült időigény", "% kész", "Privát", "Szülő feladat"),
    "el": ("Έργο", "Ανιχνευτής", "Κατάσταση", "Προτεραιότητα", "Κατηγορία", "Ανάθεση σε", "Στόχος έκδοσης",
           "Ημερομηνία έναρξης", "Ημερομηνία λήξης", "Εκτιμώμενος χρόνος", "% επιτεύχθη", "Ιδιωτικό", "Γονική εργασία"),
    "ja": ("プロジェクト", "トラッカー", "ステータス", "優先度", "カテゴリ", "担当者", "対象バージョン", "開始日",
           "期日", "予定工数", "進捗率", "プライベート", "親チケット"),
    "zh": ("项目", "跟踪", "状态", "优先级", "类别", "指派给", "目标版本", "开始日期", "计划完成日期", "预期时间",
           "% 完成", "私有", "父任务"),
    "zh-tw": ("專案", "追蹤標籤", "狀態", "優先權", "分類", "被分派者", "版本", "開始日期", "完成日期", "預估工時",
              "完成百分比", "私人", "父議題"),
    "ko": ("프로젝트", "유형", "상태", "우선순위", "범주", "담당자", "목표버전", "시작시간", "완료기한", "추정시간",
           "진척도", "비공개", "상위 일감"),
}  # fmt: skip

LANGUAGES = tuple(_TABLE)

_YES = {
    "en": "yes", "de": "ja", "fr": "oui", "es": "sí", "pt": "sim", "pt-br": "sim", "it": "sì", "nl": "ja", "pl": "tak",
    "cs": "ano", "sk": "áno", "ru": "да", "uk": "так", "sv": "ja", "da": "ja", "no": "ja", "fi": "kyllä",
    "tr": "evet", "hu": "igen", "el": "ναι", "ja": "はい", "zh": "是", "zh-tw": "是", "ko": "예",
}  # fmt: skip


_NO = {
    "en": "no", "de": "nein", "fr": "non", "es": "no", "pt": "não", "pt-br": "não", "it": "no", "nl": "nee",
    "pl": "nie", "cs": "ne", "sk": "nie", "ru": "нет", "uk": "ні", "sv": "nej", "da": "nej", "no": "nei", "fi": "ei",
    "tr": "hayır", "hu": "nem", "el": "όχι", "ja": "いいえ", "zh": "否", "zh-tw": "否", "ko": "아니오",
}  # fmt: skip


def words_for(language: str) -> Mapping[str, str]:
    """Given a language as Redmine names it ("de", "pt-BR"), return its names of the keys; {} when not known here."""
    language = language.lower().replace("_", "-")
    row = _TABLE.get(language) or _TABLE.get(language.partition("-")[0])
    return dict(zip(KEYWORDS, row, strict=True)) if row else {}


def means_yes(value: str, languages: tuple[str, ...]) -> bool:
    """Given the value of a yes-or-no keyword, return whether it is 1 or the word for yes in English or a language."""
    return value.casefold() in {"1", "yes", "true", *_in(_YES, languages)}


def means_no(value: str, languages: tuple[str, ...]) -> bool:
    """Given the value of a yes-or-no field, return whether it is 0 or the word for no in English or a language."""
    return value.casefold() in {"0", "no", "false", *_in(_NO, languages)}


def _in(words: Mapping[str, str], languages: tuple[str, ...]) -> set[str | None]:
    return {words.get(language.lower()) or words.get(language.lower().partition("-")[0]) for language in languages}
