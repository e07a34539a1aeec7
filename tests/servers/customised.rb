# Makes of the Redmine of seed.rb one as teams have it: customised projects, plain keys, many members and projects, users
# of other languages and times, and settings that concern all. Adds what it made to the JSON in SEED_OUT, as "customised".
# Run by `bin/rails runner` after seed.rb.
require 'json'

FIRST = %w[description priority_id assigned_to_id category_id fixed_version_id parent_issue_id start_date due_date
           estimated_hours done_ratio].freeze
MEMBERS = 1000
PROJECTS = 2000
seed = JSON.parse(File.read(ENV.fetch('SEED_OUT')))
password = seed['admin']['password']
now = Time.now
new_status, *other_statuses = IssueStatus.sorted.to_a
resolved = IssueStatus.find_by!(name: 'Resolved')
$projects = {}
$trackers = {}

# ---- five keys: the administrator's, and four roles
everything = %i[view_issues add_issues edit_issues edit_own_issues copy_issues manage_issue_relations manage_subtasks
                set_issues_private set_own_issues_private add_issue_notes edit_issue_notes edit_own_issue_notes
                view_private_notes set_notes_private delete_issues view_issue_watchers add_issue_watchers
                view_time_entries log_time] & Redmine::AccessControl.permissions.map(&:name)
roles = {
  'adds' => { permissions: %i[view_issues add_issues] },
  'notes' => { permissions: %i[view_issues add_issues add_issue_notes] },
  'sets' => { permissions: everything },
  'own' => { permissions: %i[view_issues add_issues add_issue_notes], issues_visibility: 'own' }
}
elsewhere = %w[elsewhere-add_issues elsewhere-add_issue_notes]
elsewhere.each { |name| roles[name] = { permissions: %i[view_issues add_issues add_issue_notes] } }
roles = roles.to_h do |login, given|
  [login, Role.create!({ name: "Key #{login}", issues_visibility: 'all', users_visibility: 'all', assignable: true }
    .merge(given))]
end
def user(login, first, last, password, **more)
  u = User.new({ firstname: first, lastname: last, mail: "#{login}@example.com", language: 'en',
                 mail_notification: 'none', must_change_passwd: false }.merge(more))
  u.login = login
  u.password = u.password_confirmation = password
  u.save!
  u
end
keys = (roles.keys - elsewhere).to_h { |login| [login, user("key-#{login}", 'Key', login.capitalize, password)] }

# ---- people of other languages and times; each may add issues as a customer does
reporter = Role.find_by!(name: 'Reporter')
people = {
  'dieter' => ['Jörg', 'Müßig', 'de', 'Berlin'], 'jun' => %w[純 田中 ja Tokyo],
  'rita' => ['Рита', 'Иванова', 'ru', 'Vladivostok'], 'kiri' => ['Kiri', 'Island', 'en', "Nuku'alofa"],
  'sam' => ['Sam', 'Oa', 'en', 'American Samoa']
}.to_h do |login, (first, last, language, zone)|
  u = user(login, first, last, password, language: language)
  u.pref.time_zone = zone
  u.pref.hide_mail = true
  u.pref.save!
  [login, u]
end

# ---- trackers and projects: every project has trackers of its own, so that a workflow concerns it alone
def tracker(name, status, off: [])
  t = Tracker.new(name: name, default_status: status)
  t.core_fields = Tracker::CORE_FIELDS - off
  t.save!
  $trackers[name] = t.id
  t
end
def members(project, roles_of)
  roles_of.each do |who, role|
    m = Member.new(project: project, principal: who)
    m.roles = [role]
    m.save!
  end
end
ROLES_OF = keys.to_h { |login, u| [u, roles[login]] }.merge(people.values.to_h { |u| [u, reporter] })
def project(identifier, trackers, parent: nil, inherit: false)
  p = Project.new(name: "Custom #{identifier}", is_public: false, enabled_module_names: %w[issue_tracking])
  p.identifier = "custom-#{identifier}"
  p.trackers = trackers
  p.inherit_members = inherit
  p.save!
  p.set_parent!(parent) if parent
  members(p, ROLES_OF) unless inherit
  $projects[identifier] = { id: p.id, identifier: p.identifier, trackers: trackers.map(&:name) }
  p
end
def field(name, format, trackers, **more)
  IssueCustomField.create!({ name: name, field_format: format, is_for_all: false, is_filter: true, visible: true,
                             trackers: trackers }.merge(more))
end
def enumeration(field, *names)
  names.each_with_index { |n, i| field.enumerations.create!(name: n, active: true, position: i + 1) }
end
fields = {}
rules = []
rule = lambda do |tracker, name, kind, statuses = IssueStatus.all|
  Role.all.select(&:consider_workflow?).product(statuses.to_a).each do |role, status|
    rules << { type: 'WorkflowPermission', role_id: role.id, tracker_id: tracker.id, old_status_id: status.id,
               new_status_id: 0, field_name: name.to_s, rule: kind, assignee: false, author: false }
  end
end

plain = project('plain', [tracker('Plain', new_status)])
FIRST.each do |name|
  project("without-#{name.delete_suffix('_id').tr('_', '-')}", [tracker("Without #{name}", new_status, off: [name])])
end
project('without-any', [tracker('Without any', new_status, off: Tracker::CORE_FIELDS.dup)])

%w[description due_date].each do |name|
  t = tracker("Read-only #{name}", new_status)
  project("readonly-#{name.tr('_', '-')}", [t])
  rule.call(t, name, 'readonly')
  t = tracker("Required #{name}", new_status)
  project("required-#{name.tr('_', '-')}", [t])
  rule.call(t, name, 'required')
end
stuck = tracker('Stuck', new_status)
project('forbidden', [stuck])
project('default-status', [tracker('Accepted first', other_statuses.first)])
project('default-closed', [tracker('Closed first', IssueStatus.find_by!(is_closed: true))])

# a tracker that the mailbox may name, whose first one takes no description: the wrong one falls back to it
project('falls-back', [tracker('Falls back', new_status, off: ['description']), tracker('Second', new_status)])

# custom fields that every issue there needs and nobody fills in, one project for each format, and one for all
FORMATS = Redmine::FieldFormat.available_formats & %w[
  string text link int float date list bool user version enumeration attachment
]
all = tracker('Needs all', new_status)
needs_all = project('needs-all', [all])
FORMATS.each do |format|
  t = tracker("Needs #{format}", new_status)
  p = project("needs-#{format}", [t])
  more = format == 'list' ? { possible_values: %w[red green] } : {}
  f = field("Need #{format}", format, [t, all], is_required: true, projects: [p, needs_all], **more)
  enumeration(f, 'high', 'low') if format == 'enumeration'
  fields[f.name] = f.id
end
# fields that are no must, with patterns, lengths and values that Redmine insists on
limited = tracker('Limited', new_status)
limits = project('limited', [limited])
[
  field('Serial', 'string', [limited], projects: [limits], regexp: '^[0-9]{4}$', min_length: 4, max_length: 4),
  field('Long enough', 'text', [limited], projects: [limits], min_length: 20),
  field('Short', 'string', [limited], projects: [limits], max_length: 5),
  field('Colour', 'list', [limited], projects: [limits], possible_values: %w[red green], multiple: true),
  field('Count', 'int', [limited], projects: [limits]), field('Day', 'date', [limited], projects: [limits]),
  field('Site', 'link', [limited], projects: [limits]), field('Answer', 'bool', [limited], projects: [limits])
].each { |f| fields[f.name] = f.id }
# the same tracker in two projects, and a field that only the other one has
shared = tracker('Shared', new_status)
near = project('shared', [shared])
far = project('shared-other', [shared])
f = field('Room', 'string', [shared], projects: [far])
fields[f.name] = f.id

# versions: shared by the parent, closed, locked; a subproject that inherits its members
versioned = tracker('Versioned', new_status)
parent = project('parent', [versioned])
child = project('child', [versioned], parent: parent, inherit: true)
parent.reload.versions.create!(name: 'Shared one', sharing: 'descendants')
parent.versions.create!(name: 'Only here', sharing: 'none')
%w[closed locked].each { |s| parent.versions.create!(name: "Is #{s}", sharing: 'descendants', status: s) }
shut = project('shut', [tracker('Shut', new_status)])

# a plugin of the team's own insists on long descriptions (plugin/mailbridge_faults)
project('wordy', [tracker('Wordy', new_status)])
# roles that may add issues, or notes, of another tracker only, which the API does not tell
by_tracker = project('by-tracker', [tracker('By tracker', new_status)])
%w[add_issues add_issue_notes].zip(%w[tara nora]).each do |permission, login|
  r = roles["elsewhere-#{permission}"]
  r.set_permission_trackers(permission.to_sym, [plain.trackers.first.id])
  r.save!
  people[login] = user(login, login.capitalize, 'Elsewhere', password)
  members(by_tracker, people[login] => r)
end
# a field that only managers see, and fields that hold several values
narrow = tracker('Narrow', new_status)
fields['Requester mail'] = field('Requester mail', 'string', [narrow], projects: [project('role-field', [narrow])],
                                 visible: false, roles: [Role.find_by!(name: 'Manager')]).id
several = tracker('Several', new_status)
multiple = project('multiple', [several])
%w[One Two].each { |n| multiple.versions.create!(name: "Multi #{n}") }
%w[user version enumeration attachment].each do |format|
  f = field("Multi #{format}", format, [several], projects: [multiple], multiple: format != 'attachment')
  enumeration(f, 'high', 'low') if format == 'enumeration'
  fields[f.name] = f.id
end
# a category whose assignee has left, a version that is a must, and a closed one, issues that stay closed
left = user('left', 'Lena', 'Left', password)
categories = project('categories', [tracker('Categories', new_status)])
members(categories, left => reporter)
categories.issue_categories.create!(name: 'Printers', assigned_to: left)
left.lock!
must = tracker('Version a must', new_status)
versions = project('closed-versions', [must]).versions
versions.create!(name: 'Only one', status: 'closed')
versions.create!(name: 'Other one')
rule.call(must, 'fixed_version_id', 'required')
final = tracker('Stays closed', new_status)
project('stays-closed', [final])

# ---- workflows: all is allowed everywhere, but nothing for Stuck beyond its first status
made = Tracker.where(id: $trackers.values).to_a
steps = Role.all.select(&:consider_workflow?).product(made - [stuck], [0] + IssueStatus.pluck(:id), IssueStatus.pluck(:id))
closed = IssueStatus.where(is_closed: true).pluck(:id)
steps.reject! { |_, t, old, _| t == final && closed.include?(old) }
rows = steps.map do |r, t, old, new|
  { type: 'WorkflowTransition', role_id: r.id, tracker_id: t.id, old_status_id: old, new_status_id: new,
    field_name: nil, rule: nil, assignee: false, author: false }
end
rows += Role.all.select(&:consider_workflow?).map do |r|
  { type: 'WorkflowTransition', role_id: r.id, tracker_id: stuck.id, old_status_id: 0, new_status_id: new_status.id,
    field_name: nil, rule: nil, assignee: false, author: false }
end
(rows + rules).each_slice(2000) { |some| WorkflowRule.insert_all(some) }

# ---- many: members of one project, projects
crowd = project('crowd', [tracker('Crowd', new_status)])
User.insert_all((1..MEMBERS).map do |n|
  { type: 'User', login: format('member%04d', n), firstname: 'Member', lastname: format('Number %04d', n), status: 1,
    language: 'en', mail_notification: 'none', admin: false, created_on: now, updated_on: now }
end)
crowded = User.where("login LIKE 'member%'").order(:id).pluck(:id)
EmailAddress.insert_all(crowded.each_with_index.map do |id, n|
  { user_id: id, address: format('member%04d@example.com', n + 1), is_default: true, notify: false, created_on: now,
    updated_on: now }
end)
Member.insert_all(crowded.map { |id| { user_id: id, project_id: crowd.id, created_on: now } })
MemberRole.insert_all(Member.where(project_id: crowd.id, user_id: crowded).pluck(:id).map do |id|
  { member_id: id, role_id: reporter.id }
end)
# Redmine keeps projects as a nested set; roots side by side behind the last one
last = Project.maximum(:rgt)
Project.insert_all((1..PROJECTS).map do |n|
  { name: format('Bulk %04d', n), identifier: format('bulk-%04d', n), description: '', homepage: '', is_public: true,
    status: 1, inherit_members: false, lft: last + (2 * n) - 1, rgt: last + (2 * n), created_on: now, updated_on: now }
end)
bulk = Project.where("identifier LIKE 'bulk-%'").pluck(:id)
EnabledModule.insert_all(bulk.map { |id| { project_id: id, name: 'issue_tracking' } })
shut.reload.close

# ---- what concerns all
Setting.login_required = '1'
Setting.default_projects_public = '0'
Setting.attachment_extensions_allowed = 'pdf,png'
Setting.attachment_max_size = '64'
Setting.user_format = 'lastname_comma_firstname'

key = ->(login, u) { { id: u.id, login: u.login, mail: u.mail, name: u.name, password: password, api_key: u.api_key } }
seed['users'].merge!(keys.transform_keys { |l| "key-#{l}" }.to_h { |l, u| [l, key.(l, u)] })
seed['users'].merge!(people.to_h { |l, u| [l, key.(l, u)] })
seed['roles'].merge!(roles.values.to_h { |r| [r.name, r.id] })
seed['attachment_max_size'] = Setting.attachment_max_size.to_i * 1024
seed['customised'] = {
  projects: $projects, trackers: $trackers, keys: ['admin'] + keys.keys.map { |l| "key-#{l}" }, fields: fields, formats: FORMATS,
  members: MEMBERS, bulk_projects: PROJECTS, people: people.keys
}
File.write(ENV.fetch('SEED_OUT'), JSON.pretty_generate(seed))
