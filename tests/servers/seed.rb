# Fills a new Redmine with what the tests, the demo and the benchmarks need, and writes every id, login and
# key as JSON to the file named by SEED_OUT. Passwords come from SEED_PASSWORD. Run by `bin/rails runner`.
require 'json'

password = ENV.fetch('SEED_PASSWORD')
Redmine::DefaultData::Loader.load('en') if Redmine::DefaultData::Loader.no_data?

Setting.rest_api_enabled = '1'
Setting.login_required = '0'
Setting.host_name = 'redmine.example.com'
Setting.mail_from = 'redmine@example.com'
Setting.notified_events = []
Setting.attachment_max_size = '10240'
Setting.attachment_extensions_denied = 'exe'
Setting.text_formatting = ENV['SEED_FORMAT'] if ENV['SEED_FORMAT'].to_s != ''

roles = Role.givable.to_a
bridge_role = Role.create!(
  name: 'Bridge', issues_visibility: 'all', time_entries_visibility: 'all', users_visibility: 'all',
  permissions: %i[view_issues add_issues edit_issues add_issue_notes add_issue_watchers view_issue_watchers
                  set_notes_private view_private_notes log_time view_time_entries]
)
bridge_role.set_permission_trackers(:view_issues, :all) if bridge_role.respond_to?(:set_permission_trackers)
statuses = IssueStatus.sorted.to_a
WorkflowTransition.where(role_id: roles.map(&:id) + [bridge_role.id]).delete_all
rows = (roles + [bridge_role]).product(Tracker.all.to_a, [0] + statuses.map(&:id), statuses.map(&:id)).map do |r, t, old, new|
  { type: 'WorkflowTransition', role_id: r.id, tracker_id: t.id, old_status_id: old, new_status_id: new,
    assignee: false, author: false }
end
WorkflowRule.insert_all(rows)

def field(name, **more)
  IssueCustomField.create!(
    { name: name, field_format: 'string', is_for_all: true, is_filter: true, visible: true,
      trackers: Tracker.all.to_a }.merge(more)
  )
end
fields = [
  field('Mail ID'), field('Requester', searchable: true),
  field('Channel', field_format: 'list', possible_values: %w[mail phone web])
]

def user(login, first, last, mail, password, **more)
  u = User.new({ firstname: first, lastname: last, mail: mail, language: 'en', mail_notification: 'none',
                 must_change_passwd: false }.merge(more))
  u.login = login
  u.password = u.password_confirmation = password
  u.save!
  u
end
admin = User.find_by_login('admin')
admin.password = admin.password_confirmation = password
admin.must_change_passwd = false
admin.mail_notification = 'none'
admin.mail = 'admin@example.com'
admin.save!
bridge = user('bridge', 'Mail', 'Bridge', 'bridge@example.com', password)
anna = user('anna', 'Anna', 'Agent', 'anna@example.com', password)
bob = user('bob', 'Bob', 'Builder', 'bob@example.com', password)
carol = user('carol', 'Carol', 'Customer', 'carol@example.org', password)
dave = user('dave', 'Dave', 'Departed', 'dave@example.com', password)
dave.update_column(:status, User::STATUS_LOCKED)
team = Group.create!(lastname: 'Support team')
team.users << anna
team.users << bob
buyers = Group.create!(lastname: 'Customers')
buyers.users << carol

def project(identifier, name, is_public)
  p = Project.new(name: name, is_public: is_public, enabled_module_names: %w[issue_tracking time_tracking files wiki])
  p.identifier = identifier
  p.trackers = Tracker.sorted.to_a
  p.save!
  p
end
support = project('support', 'Support', true)
sales = project('sales', 'Sales', true)
secret = project('secret', 'Secret', false)
closed = project('closedproj', 'Closed project', true)
%w[Hardware Software Network].each { |n| support.issue_categories.create!(name: n) }
%w[Quotes Orders].each { |n| sales.issue_categories.create!(name: n) }
%w[1.0 2.0].each { |n| support.versions.create!(name: n) }
sales.versions.create!(name: 'Spring')
manager, developer, = roles
def member(project, who, role)
  m = Member.new(project: project, principal: who)
  m.roles = [role]
  m.save!
end
[support, sales, secret, closed].each { |p| member(p, bridge, bridge_role); member(p, anna, manager) }
member(support, bob, developer)
closed.reload.close

key = lambda(&:api_key)
person = ->(u) { { id: u.id, login: u.login, mail: u.mail, name: u.name, password: password, api_key: key.(u) } }
named = ->(list) { list.to_h { |x| [x.name, x.id] } }
people = [admin, bridge, anna, bob, carol, dave].to_h { |u| [u.login, person.(u)] }
File.write(ENV.fetch('SEED_OUT'), JSON.pretty_generate(
  version: Redmine::VERSION.to_s, text_format: Setting.text_formatting.to_s,
  admin: people['admin'], bridge: people['bridge'], users: people,
  projects: [support, sales, secret, closed].to_h do |p|
    [p.identifier, { id: p.id, name: p.name, categories: named.(p.issue_categories), versions: named.(p.versions) }]
  end,
  trackers: named.(Tracker.sorted), statuses: named.(statuses), priorities: named.(IssuePriority.sorted),
  default_priority: IssuePriority.default&.name, roles: named.(roles + [bridge_role]),
  activities: named.(TimeEntryActivity.sorted), custom_fields: named.(fields),
  groups: { team.lastname => team.id, buyers.lastname => buyers.id },
  attachment_max_size: Setting.attachment_max_size.to_i * 1024, attachment_extensions_denied: %w[exe]
))
