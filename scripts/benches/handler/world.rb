# Makes of a seeded Redmine the one in which the cases were recorded, and changes it on command, one JSON line each.
# Run by `bin/rails runner`; WORLD names the file that tells users, projects and the rest. What only the fixtures
# of the recording know (dates, texts, who watches) and no case shows is made up.
require 'json'

DATABASE = ActiveRecord::Base.connection
KEPT = %w[schema_migrations ar_internal_metadata sqlite_sequence].freeze
SNAPSHOT = '/srv/redmine/world.sqlite3'.freeze

def tables
  DATABASE.tables - KEPT
end

def make(klass, id, attributes = {}, &block)
  made = klass.new
  made.id = id if id
  attributes.each { |name, value| made.send("#{name}=", value) }
  block&.call(made)
  made.save!(validate: false)
  made
end

def build(world)
  Setting.default_users_auto_watch_on = [] if Setting.respond_to?(:default_users_auto_watch_on=)
  (tables - %w[settings roles]).each { |table| DATABASE.execute("DELETE FROM #{table}") }
  manager, developer, reporter = Role.givable.reorder(:id).first(3)
  every = Redmine::AccessControl.permissions.select { |p| %i[issue_tracking news boards].include?(p.project_module) }.map(&:name)
  manager.update!(permissions: every, issues_visibility: 'all', all_roles_managed: true, assignable: true)
  developer.update!(permissions: every - %i[set_notes_private view_private_notes delete_issues], issues_visibility: 'default', assignable: true)
  reporter.update!(permissions: %i[view_issues add_issues add_issue_notes], assignable: true)
  Role.non_member.update!(permissions: %i[view_issues add_issues add_issue_notes])
  Role.anonymous.update!(permissions: %i[view_issues add_issues add_issue_notes])
  Role.where(name: 'Bridge').delete_all
  statuses = world['statuses'].each_with_index.map do |s, i|
    make(IssueStatus, s['id'], name: s['name'], is_closed: s['closed'] || false, position: i + 1)
  end
  trackers = world['trackers'].each_with_index.map do |t, i|
    make(Tracker, t['id'], name: t['name'], position: i + 1, default_status: statuses.first)
  end
  rows = Role.all.to_a.product(trackers, [0] + statuses.map(&:id), statuses.map(&:id)).map do |r, t, old, new|
    { type: 'WorkflowTransition', role_id: r.id, tracker_id: t.id, old_status_id: old, new_status_id: new,
      assignee: false, author: false }
  end
  WorkflowRule.insert_all(rows)
  world['priorities'].each_with_index do |p, i|
    make(IssuePriority, p['id'], name: p['name'], is_default: p['default'] || false, active: true, position: i + 1)
  end
  users = world['users'].to_h do |u|
    first, last = (u['name'] || "#{u['login'].capitalize} Person").split(' ', 2)
    user = make(User, u['id'], firstname: first, lastname: last, login: u['login'], admin: u['admin'] || false,
                               language: 'en', mail_notification: 'none', status: u['status'] == 'locked' ? 3 : 1)
    address(user, u['mail'], true)
    [u['login'], user]
  end
  bridge = make(User, 1000, firstname: 'Mail', lastname: 'Bridge', login: 'mail-bridge', admin: true,
                            language: 'en', mail_notification: 'none', status: 1)
  address(bridge, 'mail-bridge@mailbridge.invalid', true)
  groups = world['groups'].map { |g| make(Group, g['id'], lastname: g['name']) }
  User.anonymous
  Group.anonymous
  Group.non_member
  projects = world['projects'].to_h do |p|
    modules = p['note'].to_s.include?('issue_tracking') ? %w[news boards] : %w[issue_tracking news boards]
    made = make(Project, p['id'], name: p['identifier'].capitalize, is_public: p['public']) { |x| x.identifier = p['identifier'] }
    made.enabled_module_names = modules
    made.trackers = trackers
    [p['identifier'], made]
  end
  world['users'].each do |u|
    (u['roles'] || {}).each { |p, role| member(projects[p], users[u['login']], role == 'Manager' ? manager : developer) }
  end
  # no case tells in which projects the groups are: where an issue can be assigned to one, they are members
  groups.each { |group| projects.each_value { |p| member(p, group, developer) if p.is_public == false } }
  world['categories'].each { |c| make(IssueCategory, c['id'], name: c['name'], project: projects[c['project']]) }
  world['versions'].each do |v|
    make(Version, v['id'], name: v['name'], project: projects[v['project']], status: v['status'] || 'open', sharing: 'none')
  end
  fields(world, trackers)
  world['issues'].each { |i| issue(i, world, projects, users, statuses) }
  (world['news'] || [1]).each do |id|
    make(News, id, title: 'News', description: 'News', project: projects.values.first, author: users.values.first)
    make(Comment, id, comments: 'A comment', author: users.values.first) { |c| c.commented = News.find(id) }
  end
  DATABASE.execute("DELETE FROM settings WHERE name IN ('mail_from', 'default_issue_start_date_to_creation_date')")
  Setting.where(name: %w[notified_events]).delete_all
  Setting.notified_events = []
  Setting.rest_api_enabled = '1'
  Setting.mail_from = world['mail_from']
  bridge.reload.api_key
end

def address(user, mail, default)
  make(EmailAddress, nil, user: user, address: mail, is_default: default, notify: false)
end

def member(project, who, role)
  made = Member.new(project: project, principal: who)
  made.roles = [role]
  made.save!(validate: false)
end

def fields(world, trackers)
  world['fields'].each do |f|
    make(IssueCustomField, f['id'], name: f['name'], field_format: f['format'], is_for_all: true, is_filter: true,
                                    visible: true, multiple: f['multiple'] || false, default_value: f['default'], possible_values: f['values'] || [],
                                    trackers: trackers.select { |t| f['trackers'].include?(t.name) })
  end
end

def issue(told, world, projects, users, statuses)
  tracker = Tracker.find_by(name: told['tracker']) || Tracker.find(world['trackers'].first['id'])
  status = told['status'] ? IssueStatus.find_by(name: told['status']) : nil
  status ||= told['closed'] ? statuses.find(&:is_closed) : statuses.first
  make(Issue, told['id'], project: projects[told['project']] || projects.values.first, tracker: tracker,
                          subject: told['subject'] || 'An issue', description: 'Text', status: status,
                          priority: IssuePriority.default, author: users[told['author'] || 'jsmith'] || users.values[1],
                          assigned_to: users[told['assigned_to']], start_date: told['start_date'], root_id: told['id'],
                          lft: 1, rgt: 2, lock_version: 0)
  Issue.where(id: told['id']).update_all(root_id: told['id'], lft: 1, rgt: 2)
  (told['watchers'] || []).each { |login| Watcher.create!(watchable_type: 'Issue', watchable_id: told['id'], user: users[login]) }
  (told['custom'] || {}).each do |name, value|
    field = IssueCustomField.find_by(name: name)
    CustomValue.where(customized_type: 'Issue', customized_id: told['id'], custom_field: field).delete_all
    CustomValue.create!(customized_type: 'Issue', customized_id: told['id'], custom_field: field, value: value)
  end
end

def reset
  DATABASE.execute("ATTACH DATABASE '#{SNAPSHOT}' AS world")
  DATABASE.transaction do
    DATABASE.disable_referential_integrity do
      tables.each do |table|
        DATABASE.execute("DELETE FROM main.#{table}")
        DATABASE.execute("INSERT INTO main.#{table} SELECT * FROM world.#{table}")
      end
    end
  end
ensure
  DATABASE.execute('DETACH DATABASE world')
  Setting.clear_cache
end

# Each command says in its name what it does to the world; it returns what the mail may have to name.
COMMANDS = {
  'reset' => ->(_) { reset },
  'settings' => lambda { |values|
    values.each { |name, value| Setting.send("#{name}=", value) if Setting.respond_to?("#{name}=") }
    Setting.update_all(updated_on: Time.now.utc + 1) # what puma keeps of them ends
  },
  'lock' => ->(login) { User.find_by_login(login).update_columns(status: User::STATUS_LOCKED) },
  'second_address' => lambda { |login|
    user = User.find_by_login(login)
    kept = user.mail
    user.email_address.update_columns(address: "main-#{kept}")
    address(user, kept, false)
    nil
  },
  'language' => ->(given) { User.find_by_login(given['login']).update_columns(language: given['language']) },
  'revoke' => ->(permission) { Role.all.each { |role| role.remove_permission!(permission) } },
  'delete_issue' => ->(id) { Issue.find(id).destroy },
  'unwatch' => ->(id) { Watcher.where(watchable_type: 'Issue', watchable_id: id).delete_all },
  'private_note' => lambda { |id|
    make(Journal, nil, journalized_type: 'Issue', journalized_id: id, user: User.find(1), notes: 'For the team',
                       private_notes: true).id
  },
  'note' => lambda { |id|
    make(Journal, nil, journalized_type: 'Issue', journalized_id: id, user: User.find(1), notes: 'A note').id
  },
  'private_issue' => lambda { |id|
    Issue.where(id: id).update_all(is_private: true, author_id: 1, assigned_to_id: nil)
  },
  'user' => lambda { |mail|
    user = User.having_mail(mail).first
    user && { login: user.login, firstname: user.firstname, lastname: user.lastname, mail: user.mail,
              mail_notification: user.mail_notification, groups: user.groups.map(&:lastname).sort }
  }
}.freeze

key = build(JSON.parse(File.read(ENV.fetch('WORLD'))))
File.delete(SNAPSHOT) if File.exist?(SNAPSHOT)
DATABASE.execute("VACUUM INTO '#{SNAPSHOT}'")
$stdout.sync = true
puts "world #{JSON.generate(key: key)}"
while (line = $stdin.gets)
  command, given = JSON.parse(line)
  begin
    puts "world #{JSON.generate(result: COMMANDS.fetch(command).call(given))}"
  rescue StandardError => e
    puts "world #{JSON.generate(error: "#{e.class}: #{e.message}")}"
  end
end
