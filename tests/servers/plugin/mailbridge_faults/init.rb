# Has Redmine fail with a real 500 where a test tells it to, and changes nothing where it is not told.
#
# A request other than a GET is told by its header X-Mailbridge-Fail: `after-save` raises behind an action that
# succeeded (what it saved is committed), `before-save` raises in front of it. An issue or a note is told by the word
# fail-after-save in its subject, description or notes as well, however often it is sent.
#
# A header X-Mailbridge-Settings sets settings of the whole Redmine, a JSON object of texts by name, and is answered with
# what they were. A header X-Mailbridge-Run, with an administrator's key, holds lines of Ruby, a JSON text, which change
# what cannot be changed over REST (workflows, roles, custom fields, users); it is answered with their result as JSON.
# An issue of the tracker "Wordy" needs a description of 20 characters, as a plugin of a team's own may want. Where the
# instance has a file sudo_mode, people are asked for their password again.
#
# On SQLite a transaction takes the lock for writing at its beginning. As Rails begins them, two that both read and then
# write cannot wait for each other: one is refused at once with "database is locked", a 500 that no test asked for.
# It is waited for by sleeping in Ruby: SQLite's own timeout keeps the thread that holds the lock from going on. Readers
# and the writer do not wait for each other, as with the Rails of Redmine 6.1 (WAL).
Redmine::Plugin.register :mailbridge_faults do
  name 'Mailbridge faults'
  description 'Raises errors where a test tells it to'
  version '1'
end

module MailbridgeFaults
  class Told < StandardError; end

  HEADER = 'X-Mailbridge-Fail'
  WORD = 'fail-after-save'
  SETTINGS = 'X-Mailbridge-Settings'
  RUN = 'X-Mailbridge-Run'

  def process_action(*)
    return mailbridge_run if request.headers[RUN].present?

    mailbridge_settings if request.headers[SETTINGS].present?
    told = mailbridge_told unless request.get? || request.head?
    raise Told, 'told to fail before the save' if told == 'before-save'

    super
    raise Told, 'told to fail after the save' if told == 'after-save' && response.successful?
  end

  private

  def mailbridge_settings
    wanted = JSON.parse(request.headers[SETTINGS])
    response.headers[SETTINGS] = wanted.keys.to_h { |name| [name, Setting[name].to_s] }.to_json
    wanted.each { |name, value| Setting[name] = value }
  end

  def mailbridge_run
    return head(:forbidden) unless User.find_by_api_key(request.headers['X-Redmine-API-Key'].to_s)&.admin?

    render json: { result: TOPLEVEL_BINDING.dup.eval(JSON.parse(request.headers[RUN])) }
  end

  def mailbridge_told
    return request.headers[HEADER] if request.headers[HEADER].present?

    issue = params[:issue]
    texts = issue.respond_to?(:values_at) ? issue.values_at(:subject, :description, :notes) : []
    'after-save' if texts.any? { |text| text.to_s.include?(WORD) }
  end
end

# What a plugin of a team's own may insist on.
module MailbridgeWordy
  def validate_issue
    super
    errors.add(:description, :too_short, count: 20) if tracker&.name == 'Wordy' && description.to_s.size < 20
  end
end

module MailbridgeOneWriter
  def initialize(*)
    super
    busy_handler { |tries| sleep(0.005) && tries < 6000 }
    execute('PRAGMA journal_mode = WAL')
    execute('PRAGMA synchronous = NORMAL')
  end

  def transaction(mode = nil, &block)
    super(mode || :immediate, &block)
  end
end

# Redmine may run this file more than once (Rails' to_prepare); a module is prepended once.
ApplicationController.prepend(MailbridgeFaults)
Issue.prepend(MailbridgeWordy)
SQLite3::Database.prepend(MailbridgeOneWriter) if defined?(SQLite3::Database)

if File.exist?('/srv/redmine/sudo_mode')
  Redmine::Configuration['sudo_mode'] # has it loaded
  Redmine::Configuration.instance_variable_get(:@config)['sudo_mode'] = true
end
